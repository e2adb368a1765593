// The package is loaded by workers alone at first, which end; the main thread lives on, and uses it afterwards.
// Prints which client got which answer.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const heard = []
const newName = () => Uint8Array.from(Buffer.from(`\0udsock-first-${randomBytes(8).toString('hex')}`))

function start(how, path) {
  const worker = new Worker(new URL('worker-peer.js', import.meta.url), { workerData: { how, path } })
  worker.on('error', error => heard.push(error.message))
  return worker
}

/** One worker listens, another connects, and both end. */
async function talk() {
  const path = newName()
  const server = start('echoes once', path)
  await once(server, 'message')
  const client = start('sends and ends', path)
  const [[echo], ...codes] = await Promise.all([
    once(client, 'message'),
    once(client, 'exit'),
    once(server, 'exit'),
  ])
  heard.push(echo, ...codes.flat())
}

await talk()
await talk()
// Both load it at the same time.
await Promise.all([talk(), talk()])

const { connect, listen } = await import('../../index.js')
const listener = await listen(newName())
const client = start('sends and ends', listener.path)
const [[echo]] = await Promise.all([
  once(client, 'message'),
  once(client, 'exit'),
  listener.accept().then(socket => socket.pipe(socket)),
])
heard.push(echo)
const [mine, theirs] = await Promise.all([connect(listener.path), listener.accept()])
mine.end('from the main thread')
for await (const chunk of theirs) heard.push(String(chunk))
mine.destroy()
theirs.destroy()
await listener.close()
console.log(JSON.stringify(heard))
