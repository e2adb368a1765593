// One of the backends: `node backend.js NAME`, in a directory of its own. It listens on app.sock there.
//
// A POST is an order, which must not be carried out twice: each is a line in journal.txt. After SIGTERM the requests in
// flight, and those that wait in the kernel's queue, are answered; the process then ends by itself.
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { serve } from 'udsock/http'

const name = process.argv[2] ?? 'a'
const server = createServer(async (request, response) => {
  const order = await text(request)
  // Takes time, so that requests are always in flight.
  await setTimeout(20)
  if (request.method === 'POST') appendFileSync('journal.txt', `${order}\n`)
  response.setHeader('backend', name)
  response.end(`${request.method} ${request.url} ${order}`)
})

const served = await serve(server, 'app.sock', { mode: 0o600, onExisting: 'replaceStale' })
process.once('SIGTERM', () => served.close({ drain: true }))
console.log(`${name} listens`)
