// A worker that adopts the descriptor in its data, and answers what it receives once, in capital letters.
import { workerData } from 'node:worker_threads'
import { adopt, UnixSocket } from '../../index.js'

const socket = await adopt(workerData)
if (socket instanceof UnixSocket) {
  socket.once('data', chunk => socket.end(String(chunk).toUpperCase(), () => socket.destroy()))
} else {
  socket.once('message', async message => {
    await socket.sendAndWait(String(message).toUpperCase())
    socket.destroy()
  })
}
