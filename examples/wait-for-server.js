// A client that waits until the server is there: `node examples/wait-for-server.js [path]`
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'late.sock'
setTimeout(async () => {
  const listener = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })
  const socket = await listener.accept()
  socket.end('here I am\n')
  await listener.close()
}, 200)

const socket = await connect(path, { waitForListener: true, timeout: 5000 })
socket.end()
for await (const chunk of socket) process.stdout.write(chunk)
