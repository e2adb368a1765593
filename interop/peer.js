// One conversation over a Unix-domain socket by node:net:
//   node peer.js listen|connect ADDRESS echo|endsLast|endsFirst
//   node peer.js inherit - echo|endsLast|endsFirst            standard input is the connected socket
// ADDRESS is a path, or `@name` for an abstract name.
// Prints `listening` once it listens, and at the end the SHA-256 of what it received, on standard error.
import { createHash } from 'node:crypto'
import { connect, createServer, Socket } from 'node:net'

const [role, argument, manner] = process.argv.slice(2)
const path = argument.replace(/^@/, '\0')

function converse(socket) {
  const received = createHash('sha256')
  socket.on('data', chunk => received.update(chunk))
  socket.on('end', () => {
    const digest = received.digest('hex')
    if (manner === 'endsLast') socket.end(digest)
    console.error(digest)
  })
  if (manner === 'endsFirst') socket.end('greeting')
  if (manner === 'echo') socket.pipe(socket)
}

if (role === 'inherit') {
  // socat ends its program once both directions have ended, possibly before it has printed what it received.
  process.on('SIGTERM', () => {})
  const socket = new Socket({ fd: 0, readable: true, writable: true, allowHalfOpen: true })
  converse(socket)
  socket.resume()
} else if (role === 'connect') {
  const socket = connect({ path, allowHalfOpen: true }, () => converse(socket))
} else {
  const server = createServer({ allowHalfOpen: true }, socket => {
    server.close()
    converse(socket)
  })
  server.listen(path, () => console.error('listening'))
}
