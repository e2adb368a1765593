// A client that connects again, with back-off and jitter, when its server goes away: `node examples/reconnecting-client.js [path]`
import { setTimeout as sleep } from 'node:timers/promises'
import { connections, FramedSocket, listen } from 'udsock'

const path = process.argv[2] ?? 'flaky.sock'

/** A server that goes away after its first message, and comes back. */
async function flakyServer() {
  for (const name of ['first', 'second']) {
    const listener = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })
    const messages = new FramedSocket(await listener.accept())
    await messages.sendAndWait(`the ${name} server`)
    await listener.close()
    messages.end()
    await sleep(100)
  }
}
void flakyServer()

let received = 0
for await (const socket of connections(path, { minDelay: 50, maxDelay: 5000 })) {
  try {
    for await (const message of new FramedSocket(socket)) {
      console.log(String(message))
      received++
    }
  } catch (error) {
    console.error(error.message)
  }
  if (received === 2) break
}
