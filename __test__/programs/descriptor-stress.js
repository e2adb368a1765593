// Sends and receives bytes with descriptors over one connection, both at once, and checks each byte and each descriptor.
// Arguments: 'serve' or 'connect', the path, how many descriptors each side sends, and a fate: 'live', 'die' for a program that kills itself
// halfway, 'survive' for its peer. Prints 'listening', and at the end as JSON what arrived, and how many descriptors are left open.
import { readdirSync } from 'node:fs'
import { connect, listen } from '../../index.js'
import { receive, send } from './descriptor-traffic.js'
import './settled.js'

const [role, path, countText, fate] = process.argv.slice(2)
const total = Number(countText)
const options = { receiveDescriptors: 7, highWaterMark: 20_000 }
const [own, peers] = role === 'serve' ? [5, 105] : [105, 5]

async function connection() {
  if (role === 'connect') return connect(path, options)
  const listener = await listen(path, options)
  console.log('listening')
  const accepted = await listener.accept()
  await listener.close()
  return accepted
}

const socket = await connection()
let failure
socket.on('error', ({ code }) => {
  failure = code
})
const before = readdirSync('/proc/self/fd').length
const onSent = position => {
  if (fate === 'die' && position > 500_000) process.kill(process.pid, 'SIGKILL')
}
const sent = send(socket, own, total, onSent)
const got = await receive(socket, peers, total, () => fate === 'live')
await sent
if (fate === 'survive' && !socket.closed) await new Promise(resolve => socket.once('close', resolve))
socket.destroy()
// The connection's own is closed, too.
const left = () => readdirSync('/proc/self/fd').length - before + 1
const deadline = Date.now() + 20_000
while (left() > 0 && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5))
console.log(JSON.stringify({ ...got, left: left(), failure: failure ?? null }))
process.exit()
