// One of the backends: `node backend.js NAME`, in a directory of its own. It listens on app.sock there.
//
// A POST is an order, which must not be carried out twice: each is a line in journal.txt. SIGTERM lets who is there, and who
// waits in the kernel's queue, have an answer; the process then ends by itself.
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { listen } from 'udsock'

const name = process.argv[2] ?? 'a'
const server = createServer(async (request, response) => {
  const order = await text(request)
  // Something that takes time, so that there is always something in flight.
  await setTimeout(20)
  if (request.method === 'POST') appendFileSync('journal.txt', `${order}\n`)
  response.setHeader('backend', name)
  response.end(`${request.method} ${request.url} ${order}`)
})

const listener = await listen('app.sock', {
  backlog: 511,
  mode: 0o600,
  onExisting: 'replaceStale',
  unlinkOnClose: true,
})
process.once('SIGTERM', () => listener.close({ drain: true }))
console.log(`${name} listens`)

for await (const socket of listener) server.emit('connection', socket)
