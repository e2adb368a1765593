// A process, or a worker in it, that sends datagrams to PATH: `datagram-process.js PATH exit|worker|unref`.
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { bindDatagram } from '../../index.js'
import { createSocket } from '../../dgram.js'

const [path, how] = isMainThread ? process.argv.slice(2) : workerData

const ways = {
  // Nothing is sent yet when the process exits.
  async exit() {
    const socket = await bindDatagram()
    await socket.connect(path)
    socket.send('connected')
    socket.send('by path', { to: path })
    process.exit(0)
  },
  async worker() {
    if (isMainThread) {
      const url = new URL(import.meta.url)
      Array.from({ length: 2 }, () => new Worker(url, { workerData: [path, how] }))
      return
    }
    const socket = await bindDatagram()
    await socket.sendAndWait('from a worker', { to: path })
    await socket.close()
    const other = createSocket('unix_dgram')
    other.connect(path)
    other.send('from a worker', () => other.close())
  },
  // Neither keeps the process alive.
  async unref() {
    const socket = await bindDatagram({ autobind: true })
    socket.unref().on('message', () => {})
    await bindDatagram()
    await socket.sendAndWait('it ends', { to: path })
  },
}

await ways[how]()
