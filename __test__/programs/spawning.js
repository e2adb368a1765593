// Spawns the number of processes in its argument, sixteen at a time, while a worker is in full traffic and this thread makes
// listeners and connections; each lists what it has inherited. Prints the descriptors that are not its own, and counts.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import { abstractName, connect, listen } from '../../index.js'

const count = Number(process.argv[2])
const ignore = () => {}
const newName = () => abstractName(`udsock-spawning-${randomBytes(8).toString('hex')}`)

/** What a child finds open beside its own three and the directory that it lists. */
async function inherited() {
  const stdio = ['ignore', 'pipe', 'inherit']
  const child = spawn('ls', ['-l', '/proc/self/fd'], { stdio, env: { LC_ALL: 'C', PATH: process.env.PATH } })
  const [listing, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  if (code !== 0) throw new Error(`ls ended with ${code}`)
  return [...listing.matchAll(/ (\d+) -> (.*)$/gm)]
    .filter(([, number, target]) => Number(number) > 2 && !/^\/proc\/\d+\/fd$/.test(target))
    .map(([, , target]) => target)
}

/** The descriptors that this process itself inherited. */
const given = await inherited()

const listener = await listen(newName(), { backlog: 64 })
async function serve() {
  for await (const socket of listener) {
    socket.on('error', ignore)
    socket.pipe(socket)
  }
}
void serve()

const workerData = { path: listener.path, bytes: 1 }
const worker = new Worker(new URL('worker-traffic.js', import.meta.url), { workerData })
await once(worker, 'message')

async function dismiss(served) {
  for await (const socket of served) socket.on('error', ignore).destroy()
}

const state = { over: false, comings: 0 }
/** Listeners in files, taken over, and connections that wait: descriptors of every kind, made on every thread. */
async function comeAndGo() {
  const directory = mkdtempSync(join(tmpdir(), 'uds-'))
  const path = join(directory, 's')
  while (!state.over) {
    const old = await listen(path, { onExisting: 'takeOver', backlog: 0 })
    const waiting = [connect(path), connect(path), connect(path)]
    const next = await listen(path, { onExisting: 'takeOver', unlinkOnClose: true })
    void dismiss(old)
    void dismiss(next)
    for (const socket of await Promise.all(waiting)) socket.destroy()
    await Promise.all([old.close(), next.close()])
    const socket = await connect(listener.path)
    state.comings++
    socket.on('error', ignore).end('hello')
    for await (const _ of socket);
  }
  rmSync(directory, { recursive: true })
}
const coming = [comeAndGo(), comeAndGo()]

let children = 0
let begun = 0
const foreign = new Set()

async function spawnMany() {
  while (begun++ < count) {
    for (const target of await inherited()) if (!given.includes(target)) foreign.add(target)
    children++
  }
}
await Promise.all(Array.from({ length: 16 }, spawnMany))
state.over = true
await Promise.all(coming)
await worker.terminate()
await listener.close()
console.log(JSON.stringify({ children, foreign: [...foreign], comings: state.comings }))
process.exit()
