// Answers requests of four bytes with the same four bytes, after SIGTERM and not before, 200 at a time, and ends by itself.
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { listen } from '../../index.js'

// Synchronous, so that the output is complete and keeps nothing alive.
const say = message => writeSync(1, `${message}\n`)

const listener = await listen(process.argv[2], { backlog: 512, maxConnections: 200, unlinkOnClose: true })
const stopping = once(process, 'SIGTERM')
// This alone would keep the process alive no longer than the listener does.
void stopping.then(async () => {
  await listener.close({ drain: true })
  say(`stopped closed=${listener.closed}`)
})

let inFlight = 0
let answered = 0

async function serve(socket) {
  const [request] = await once(socket, 'data')
  if (++inFlight === 200) say('200 in flight')
  await stopping
  await setTimeout(50)
  socket.end(request)
  await once(socket, 'close')
  answered++
}

say('listening')
const serving = []
for await (const socket of listener) serving.push(serve(socket))
say(`drained closed=${listener.closed}`)
await Promise.all(serving)
say(`answered ${answered}`)
