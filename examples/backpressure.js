// A fast sender and a slow reader: `node examples/backpressure.js [path]`
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'pressure.sock'
const chunk = Buffer.alloc(64 * 1024)
const chunks = 1000

const listener = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })
const reading = (async () => {
  let received = 0
  for await (const part of await listener.accept()) {
    received += part.length
    await turn()
  }
  return received
})()

const polite = await connect(path)
let mostUnsent = 0
for (let i = 0; i < chunks; i++) {
  // false: wait for 'drain'. A sender that does so holds little, however slow the reader is.
  if (!polite.write(chunk)) await once(polite, 'drain')
  mostUnsent = Math.max(mostUnsent, polite.writableLength)
}
polite.end()
console.log(
  `received ${(await reading) / chunk.length} chunks, held less than 1 MiB: ${mostUnsent < 2 ** 20}`,
)

// A sender that does not wait is stopped by writeLimit, before the memory ends.
const rude = await connect(path, { writeLimit: 1024 * 1024 })
const server = await listener.accept()
const failure = once(rude, 'error')
while (!rude.destroyed) rude.write(chunk)
const [error] = await failure
console.log(error.code)

server.destroy()
await listener.close()
