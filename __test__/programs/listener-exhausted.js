// Accepts without descriptors, and reports the outcomes: `node listener-exhausted.js <path or @hexadecimal name>`.
import { closeSync, openSync, writeSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const argument = process.argv[2]
const path = address(argument)
// Synchronously, because the process ends itself.
const say = message => writeSync(1, `${JSON.stringify(message)}\n`)
const turn = () => new Promise(setImmediate)
const told = text(process.stdin)

const listener = await listen(path, { backlog: 16 })
const [ours, other] = await Promise.all([connect(path), listener.accept()])
const foreign = []
try {
  for (;;) foreign.push(openSync('/dev/null'))
} catch (error) {
  say({ full: error.code })
}
await told

/** What a client sent; the connection stays open. */
async function received(socket) {
  let all = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) all += chunk
  return all
}

/** An accept, and whether it is done. */
function accept() {
  const state = { done: false }
  state.accepted = listener.accept().finally(() => (state.done = true))
  return state
}

const first = accept()
const start = process.hrtime.bigint()
const cpu = process.cpuUsage()
await new Promise(resolve => setTimeout(resolve, 1500))
const { user, system } = process.cpuUsage(cpu)
const share = ((user + system) * 1000) / Number(process.hrtime.bigint() - start)
const refusal = await connect(path).catch(error => `${error.syscall} ${error.code}`)
say({ accepted: first.done, cpu: share, connect: refusal })

let turns = 0
ours.destroy()
while (!first.done && turns < 1000) {
  await turn()
  turns++
}
const served = await first.accepted
say({ after: 'one of ours', turns, text: await received(served) })

const second = accept()
await turn()
if (second.done) throw new Error('there was a descriptor')
// The listener is not notified of this one: its own timer finds it.
closeSync(foreign.pop())
say({ after: 'a foreign one', text: await received(await second.accepted) })

const third = accept()
await turn()
if (third.done) throw new Error('there was a descriptor')
served.destroy()
say({ after: 'an accepted one', text: await received(await third.accepted) })

const fourth = accept()
await turn()
if (fourth.done) throw new Error('there was a descriptor')
void listener.close()
const code = await fourth.accepted.catch(error => error.code)
for (const descriptor of foreign) closeSync(descriptor)
other.destroy()
say({ after: 'close', code })
process.exit()
