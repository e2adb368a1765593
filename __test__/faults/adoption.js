// A descriptor that cannot join the engine, by each way in which the package takes one over. Usage: adoption.js RULES. One line of JSON for each way.
import { fstatSync } from 'node:fs'
import { Socket, createServer } from '../../net.js'
import { adopt, bindDatagram, Descriptor, listen, socketpair } from '../../index.js'
import { setFaults } from './plan.js'

const [rules] = process.argv.slice(2)
const name = Buffer.from(`\0udsock-adoption-${process.pid}`)
const listener = await listen(name)
const connected = async () => (await socketpair()[0].detach()).release()
const packets = async () => (await socketpair({ type: 'seqpacket' })[0].detach()).release()
const datagrams = async () => (await (await bindDatagram()).detach()).release()
const listening = async () => listener.duplicate().release()
const served = fd =>
  new Promise((resolve, reject) => createServer().once('error', reject).listen({ fd }, resolve))

const ways = {
  'adopt(number)': [connected, fd => adopt(fd)],
  'adopt(number) of packets': [packets, fd => adopt(fd)],
  'adopt(number) of datagrams': [datagrams, fd => adopt(fd)],
  'listen({ fd })': [listening, fd => listen({ fd })],
  'new Socket({ fd })': [connected, async fd => new Socket({ fd })],
  'server.listen({ fd })': [listening, served],
}

/** Whether an open descriptor has this number. */
function isOpen(fd) {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

/** The code with which `take` fails under the rules. */
async function codeOf(take) {
  setFaults(rules, 0)
  try {
    await take()
    return 'taken'
  } catch (error) {
    return error.code
  } finally {
    setFaults('', 0)
  }
}

console.log('ready')
for (const [way, [make, take]] of Object.entries(ways)) {
  const fd = await make()
  const code = await codeOf(() => take(fd))
  console.log(JSON.stringify({ way, code, isOpen: isOpen(fd) }))
}
const descriptor = Descriptor.from(await connected())
const code = await codeOf(() => adopt(descriptor))
const isWhole = isOpen(descriptor.fd) && descriptor.kind === 'socket'
const client = await adopt(descriptor)
client.destroy()
console.log(JSON.stringify({ way: 'adopt(Descriptor)', code, isOpen: isWhole }))
process.exit()
