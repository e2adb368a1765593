// Makes the number of connections in its argument at once, both ends in this process. Each sends its number and gets it back.
// Prints how many got theirs, how many were open at once, and the descriptors on the way.
import './settled.js'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { abstractName, connect, listen } from '../../index.js'

const count = Number(process.argv[2])
const descriptors = () => readdirSync('/proc/self/fd').length

const listener = await listen(abstractName(`udsock-many-${randomBytes(8).toString('hex')}`), { backlog: 511 })
// The first connection opens all descriptors that stay.
const warm = await connect(listener.path)
const accepted = await listener.accept()
warm.destroy()
accepted.destroy()
await new Promise(resolve => setTimeout(resolve, 50))
const before = descriptors()

const open = new Set()
let [echoes, most, closed] = [0, 0, 0]
const serving = (async () => {
  for await (const socket of listener) {
    open.add(socket)
    most = Math.max(most, open.size)
    socket.on('error', error => console.error(error))
    socket.on('data', chunk => socket.write(chunk))
    socket.on('end', () => socket.end())
    socket.on('close', () => open.delete(socket))
  }
})()

/** Resolves with the socket when its number has come back. */
async function echoed(number) {
  const message = `${number};`
  const socket = await connect(listener.path)
  socket.on('close', () => closed++)
  let echo = ''
  await new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', chunk => {
      echo += chunk
      if (echo.length >= message.length) resolve()
    })
    socket.write(message)
  })
  if (echo === message) echoes++
  return socket
}

const sockets = await Promise.all(Array.from({ length: count }, (_, number) => echoed(number)))
const during = descriptors()
const allClosed = sockets.map(socket => new Promise(resolve => socket.once('close', resolve)))
for (const socket of sockets) socket.end()
await Promise.all(allClosed)
while (open.size > 0) await new Promise(setImmediate)
await new Promise(setImmediate)
const after = descriptors()
await listener.close()
await serving
console.log(JSON.stringify({ echoes, most, closed, held: during - before, left: after - before }))
