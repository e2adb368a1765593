// Echoes what it receives, for any number of clients: `node examples/echo-server.js [path]`
import { listen } from 'udsock'

const listener = await listen(process.argv[2] ?? 'echo.sock', {
  backlog: 128,
  onExisting: 'replaceStale',
  unlinkOnClose: true,
})
console.log(`listening on ${listener.path}`)
for await (const socket of listener) {
  const { uid, pid } = socket.peer
  console.log(`user ${uid}, process ${pid} connected`)
  socket.on('error', error => console.error(error.message))
  socket.pipe(socket)
}
