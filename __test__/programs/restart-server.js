// Listens at the first argument with the options of the second (JSON), prints "listening", and echoes. A client's "throw" is
// thrown and not caught; with "drain" as the third argument SIGTERM ends it in order, otherwise as the system does.
import { listen } from '../../index.js'

const [path, options, onSignal] = process.argv.slice(2)
const listener = await listen(path, JSON.parse(options))
if (onSignal === 'drain') {
  process.once('SIGTERM', async () => {
    await listener.close({ drain: true })
    for (const socket of sockets) socket.end()
  })
}
console.log('listening')
const sockets = new Set()
for await (const socket of listener) {
  sockets.add(socket)
  socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  socket.on('data', chunk => {
    socket.write(chunk)
    if (String(chunk) === 'throw') throw new Error('as it should be')
  })
  socket.on('end', () => socket.end())
}
