// Has one connection with rights.py, and prints as JSON what it received and the longest pause of the event loop in ms.
// Arguments: the action ('read', 'busy', 'destroy' or 'closeRead'), the path that rights.py has, how the connection is made
// ('listen', 'net-listen', 'connect', 'net-connect', 'listen-fd', 'net-listen-fd'), and for the last two the descriptor.
import { existsSync, writeFileSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { connect, listen } from '../../index.js'
import net from '../../net.js'
import './settled.js'

const [action, path, how, number] = process.argv.slice(2)
// Not console.log: where strace replaces the kernel's answers, Node cannot find out what its standard output is.
const say = text => writeSync(1, `${text}\n`)

async function connection() {
  if (how === 'connect') return await connect(path)
  if (how === 'net-connect') return net.connect(path)
  const target = number === undefined ? path : { fd: Number(number) }
  if (how.startsWith('net-')) {
    const server = net.createServer({ pauseOnConnect: true })
    // The client of an inherited listener is there already.
    const connected = once(server, 'connection')
    await once(server.listen(target), 'listening')
    if (number === undefined) say('listening')
    const [socket] = await connected
    server.close()
    return socket
  }
  const listener = await listen(target)
  if (number === undefined) say('listening')
  const socket = await listener.accept()
  await listener.close()
  return socket
}

// Loads what the first call loads: that takes a busy machine long.
await connect('/nowhere/s').catch(() => {})
let received = ''
let longest = 0
let last = performance.now()
const timer = setInterval(() => {
  const now = performance.now()
  longest = Math.max(longest, now - last)
  last = now
}, 5)
const socket = await connection()
socket.on('error', () => {})
const finish = () => {
  // The pause that this turn makes, if it makes one, counts too.
  setTimeout(() => {
    clearInterval(timer)
    say(JSON.stringify({ received, longest: Math.round(longest) }))
    process.exit()
  }, 100)
}

if (action === 'busy') {
  setTimeout(finish, 10_000)
  socket.on('data', data => {
    received += data
    if (received === 'abcde') finish()
  })
  socket.resume()
  await once(socket, 'data')
  // Whatever else belongs to the first byte is over.
  await new Promise(resolve => setTimeout(resolve, 50))
  writeFileSync(`${path}.busy`, '')
  while (!existsSync(`${path}.sent`));
} else if (action === 'read') {
  socket.on('data', data => {
    received += data
    finish()
  })
  socket.resume()
} else {
  // By then the message is in the queue.
  await new Promise(resolve => setTimeout(resolve, 200))
  if (action === 'destroy') socket.destroy()
  else socket.closeRead()
  finish()
}
