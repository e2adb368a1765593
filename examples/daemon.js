// A service that answers messages and can be restarted at any time: `node examples/daemon.js [path]`
//
// Only this user can open the file, and the file of a crashed process is replaced. On SIGTERM the clients that are connected or wait
// are answered first, then the process ends by itself. Its client: `node examples/ask.js [path] [text]`
import { FramedSocket, listen } from 'udsock'

const listener = await listen(process.argv[2] ?? 'daemon.sock', {
  backlog: 128,
  mode: 0o600,
  onExisting: 'replaceStale',
  unlinkOnClose: true,
  maxConnections: 1000,
})
listener.on('overload', ({ code, failures }) => console.error(`${code}: ${failures} accepts have to wait`))
process.once('SIGTERM', () => listener.close({ drain: true }))
console.log(`listening on ${listener.path}`)

async function serve(socket) {
  const messages = new FramedSocket(socket, { maxMessageLength: 64 * 1024 })
  try {
    for await (const message of messages) messages.send(`you said ${message}`)
  } catch (error) {
    console.error(`process ${socket.peer.pid}: ${error.message}`)
  }
}

for await (const socket of listener) void serve(socket)
console.log('no more will come')
