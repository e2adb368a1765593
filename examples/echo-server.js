// Echoes what it gets, to as many clients as come: `node examples/echo-server.js [path]`
import { listen } from 'udsock'

const listener = await listen(process.argv[2] ?? 'echo.sock', { backlog: 128 })
console.log(`listening on ${listener.path}`)
for await (const socket of listener) {
  const { uid, pid } = socket.peer
  console.log(`user ${uid}, process ${pid} connected`)
  socket.on('error', error => console.error(error.message))
  socket.pipe(socket)
}
