// Argument: a directory. Listens with every mode under every umask, while a thread makes files of its own, and prints what
// resulted: [umask, mode, mode of the socket file, ...] and the modes of the thread's files by umask.
import { lstatSync } from 'node:fs'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { listen } from '../../index.js'

const directory = process.argv[2]
const maker = `
  const { workerData: { directory, flag } } = require('node:worker_threads')
  const { closeSync, fstatSync, openSync, unlinkSync } = require('node:fs')
  const { parentPort } = require('node:worker_threads')
  const modes = {}
  for (let made = 0; ; made++) {
    const umask = Atomics.load(flag, 0)
    if (umask === -1) break
    const path = directory + '/f'
    const fd = openSync(path, 'wx', 0o777)
    if (umask >= 0) (modes[umask] ??= {})[fstatSync(fd).mode & 0o777] = true
    closeSync(fd)
    unlinkSync(path)
    Atomics.add(flag, 1, 1)
  }
  parentPort.postMessage(modes)
`
const flag = new Int32Array(new SharedArrayBuffer(8))
flag[0] = -2
process.umask(0)
const worker = new Worker(maker, { eval: true, workerData: { directory, flag } })
const answer = once(worker, 'message')
/** Until the thread has made `count` more files. */
async function filesMade(count) {
  const goal = Atomics.load(flag, 1) + count
  while (Atomics.load(flag, 1) < goal) await new Promise(resolve => setImmediate(resolve))
}
await filesMade(1)
const sockets = []
for (const umask of [0o000, 0o022, 0o077]) {
  process.umask(umask)
  Atomics.store(flag, 0, umask)
  for (const mode of [0o600, 0o660, 0o666, 0o777]) {
    for (const onExisting of ['error', 'replaceStale', 'takeOver']) {
      for (let round = 0; round < 10; round++) {
        const path = `${directory}/s`
        const listener = await listen(path, { mode, onExisting, unlinkOnClose: true })
        sockets.push([umask, mode, lstatSync(path).mode & 0o7777])
        await listener.close()
      }
    }
  }
  await filesMade(20)
  // Node reads the umask by setting it to 0 for a moment: files that the thread makes now and during the change do not count.
  Atomics.store(flag, 0, -2)
  await filesMade(2)
  if (process.umask() !== umask) throw new Error('the umask has changed')
}
Atomics.store(flag, 0, -1)
const [files] = await answer
console.log(JSON.stringify({ sockets, files }))
