// Terminates workers in full traffic, some at a time, and prints what is left of them: `node worker-terminate.js <workers>
// <at once> <seed?>`. With a seed each is terminated after a random time, whatever it does then.
import './settled.js'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { abstractName, connect, listen } from '../../index.js'

const [workers, atOnce, seed] = process.argv.slice(2).map(Number)

let state = seed

/** From 0 to below 1, the same for the same seed. Source: the generator of Park and Miller. */
function random() {
  state = (state * 48271) % (2 ** 31 - 1)
  return state / (2 ** 31 - 1)
}

/** Up to two seconds, and as often below 40 ms as above. */
const randomDelay = () => 2000 ** random()

const path = abstractName(`udsock-workers-${randomBytes(8).toString('hex')}`)
const listener = await listen(path)
const sockets = { accepted: 0, closed: 0 }

async function serve() {
  for await (const socket of listener) {
    sockets.accepted++
    socket.on('error', () => {})
    socket.on('close', () => sockets.closed++)
    socket.pipe(socket)
  }
}
void serve()

function isFile(descriptor) {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('/')
  } catch {
    // The listing's own, which is gone.
    return true
  }
}

/** Descriptors and threads of this process. Node leaves a module's file open if the worker ends while it is loaded. */
function left() {
  const descriptors = readdirSync('/proc/self/fd').filter(descriptor => !isFile(descriptor)).length
  return { descriptors, threads: readdirSync('/proc/self/task').length }
}

async function terminateOne(index) {
  const url = new URL('worker-traffic.js', import.meta.url)
  // Some while they load the package or set up, most when everything runs.
  const bytes = index % 10 === 9 ? 1 : 2 ** 20
  const worker = new Worker(url, { workerData: { path, bytes } })
  if (seed > 0) {
    if (index % 2 === 1) await once(worker, 'online')
    await new Promise(resolve => setTimeout(resolve, randomDelay()))
  } else await once(worker, index % 10 === 8 ? 'online' : 'message')
  const exited = once(worker, 'exit')
  await worker.terminate()
  const [code] = await exited
  // 0: it had not begun.
  return code === 1 || (seed > 0 && code === 0)
}

const outcomes = []

async function terminate(count) {
  const indices = Array.from({ length: count }, (_, index) => outcomes.length + index)
  outcomes.push(...(await Promise.all(indices.map(terminateOne))))
}

/** Waits for as little as `before`; the threads that a runtime keeps for the next file system call end after a while. */
async function settle(before) {
  const deadline = Date.now() + 25_000
  let now
  do {
    await new Promise(resolve => setTimeout(resolve, 10))
    now = left()
  } while ((now.descriptors > before.descriptors || now.threads > before.threads) && Date.now() < deadline)
  return now
}

/** Waits until each accepted socket is closed, and no client has been waiting to be accepted for a while. */
async function allClosed() {
  for (let rest = 0; rest < 10; rest++) {
    await new Promise(resolve => setTimeout(resolve, 10))
    if (sockets.closed < sockets.accepted) rest = 0
  }
}

// The first workers start what stays: the runtime's thread, and Node's own.
await terminate(atOnce)
await allClosed()
const before = left()
while (outcomes.length < workers) await terminate(Math.min(atOnce, workers - outcomes.length))
const after = await settle(before)

// The main thread's own sockets have lived through all that.
const client = await connect(path)
client.end('still here')
let echo = ''
for await (const chunk of client) echo += chunk
client.destroy()
await allClosed()
await listener.close()
const terminated = outcomes.filter(Boolean).length
console.log(JSON.stringify({ terminated, before, after, echo, ...sockets }))
