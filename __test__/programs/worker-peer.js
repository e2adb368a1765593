// A worker that talks to the listener at `workerData.path`, in the way that `workerData.how` names.
import { parentPort, workerData } from 'node:worker_threads'

const { connect, listen } = await import('../../index.js')
const { how, path } = workerData

const ways = {
  async 'sends and ends'() {
    const socket = await connect(path)
    socket.end('from a worker')
    let echo = ''
    for await (const chunk of socket) echo += chunk
    parentPort.postMessage(echo, [])
  },
  async 'echoes once'() {
    const listener = await listen(path)
    parentPort.postMessage('listens', [])
    const socket = await listener.accept()
    socket.pipe(socket)
    await listener.close()
  },
  async 'exits in a data callback'() {
    const socket = await connect(path)
    socket.on('data', () => {
      socket.write('last words')
      process.exit(7)
    })
  },
  async 'throws in a data callback'() {
    const socket = await connect(path)
    socket.on('data', () => {
      socket.write('last words')
      throw new Error('as it should be')
    })
  },
  async 'has only unreferenced things'() {
    const socket = await connect(path)
    socket.on('data', () => {})
    socket.unref()
  },
}

await ways[how]()
