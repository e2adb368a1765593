// Scenes of the control plane that need a process of their own: the first argument names the scene, the second is a directory.
import { once } from 'node:events'
import { mkdirSync, readdirSync, statSync, writeSync } from 'node:fs'
import { createServer as createNodeServer } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { connect, listen } from '../../index.js'
import { createServer } from '../../net.js'

const [what, directory, ...rest] = isMainThread ? process.argv.slice(2) : workerData
const outcome = (path, options) =>
  listen(path, options).then(
    listener => listener.close().then(() => 'listens'),
    ({ code, message }) => (rest.includes('messages') ? `${code}: ${message}` : code),
  )

const sayTime = () => writeSync(1, `${Date.now()}\n`)

const deeds = {
  /** Servers of `udsock/net` or node:net, and the end of the process. */
  async servers(kind, count) {
    const create = kind.startsWith('net') ? createNodeServer : createServer
    for (let index = 0; index < Number(count); index++)
      await once(create().listen(`${directory}/${kind}-${index}`), 'listening')
    console.log('exit')
    process.exit()
  },
  /** 16 listeners, and the end of the process or of a worker so many microseconds later. Prints when the end begins. */
  async early(onExisting, microseconds, end) {
    if (end !== 'process' && isMainThread) {
      const worker = new Worker(new URL(import.meta.url), { workerData: process.argv.slice(2) })
      if (end === 'terminate') {
        await once(worker, 'message')
        await new Promise(resolve => setTimeout(resolve, Number(microseconds) / 1000))
        sayTime()
        await worker.terminate()
      } else {
        await once(worker, 'exit')
      }
      process.exit()
    }
    for (let index = 0; index < 16; index++)
      listen(`${directory}/${index}`, { unlinkOnClose: true, onExisting }).catch(() => {})
    if (end === 'terminate') return parentPort.postMessage('begun', [])
    const start = performance.now()
    while (performance.now() - start < Number(microseconds) / 1000);
    sayTime()
    process.exit()
  },
  /** Without another thread, before and after that. */
  async threads() {
    const full = createNodeServer(socket => socket.resume()).listen(`${directory}/full`, 1)
    await once(full, 'listening')
    // Starts the thread that waits.
    await Promise.all(Array.from({ length: 5 }, () => connect(`${directory}/full`)))
    console.log('connected')
    await once(process.stdin, 'data')
    const results = []
    for (let index = 0; index < 3; index++) results.push(await outcome(`${directory}/s`))
    console.log(JSON.stringify(results))
    await once(process.stdin, 'data')
    console.log(JSON.stringify(await outcome(`${directory}/s`)))
    process.exit()
  },
  /** The outcome of every option in turn. */
  async outcomes(path, options) {
    const results = []
    for (const each of JSON.parse(options)) results.push(await outcome(path, each))
    console.log(JSON.stringify(results))
  },
  /** Modes where there is no /proc. */
  async modes() {
    process.umask(0o022)
    const results = []
    for (const mode of [0o600, 0o660, 0o666, 0]) {
      const listener = await listen(`${directory}/s`, { mode, unlinkOnClose: true })
      results.push((statSync(`${directory}/s`).mode & 0o777) === mode)
      await listener.close()
    }
    console.log(JSON.stringify([readdirSync('/proc').length, ...results]))
  },
  /** Listens, for a test that watches from outside. */
  async live(path, options) {
    mkdirSync(directory, { recursive: true })
    await listen(path, JSON.parse(options))
    console.log('listening')
  },
}
await deeds[what](...rest)
