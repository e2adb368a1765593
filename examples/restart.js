// A server that is replaced without a gap. Start it twice: `node examples/restart.js [path]`
//
// The second process takes the path over. The first one answers the clients that it has, and ends by itself.
import { listen } from 'udsock'

const listener = await listen(process.argv[2] ?? 'restart.sock', {
  backlog: 128,
  mode: 0o600,
  onExisting: 'takeOver',
  unlinkOnClose: true,
})
listener.on('superseded', () => console.log('another process has taken over'))
process.once('SIGTERM', () => listener.close({ drain: true }))
console.log('listening')

for await (const socket of listener) {
  socket.on('error', error => console.error(error.message))
  socket.resume()
  socket.end(`process ${process.pid}\n`)
}
console.log('done')
