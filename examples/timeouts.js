// Every time limit: connecting, silence, and a whole conversation: `node examples/timeouts.js [path]`
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'slow.sock'
// Nothing is accepted before the third client is there, so the backlog of 1 fills up.
const listener = await listen(path, { backlog: 1, onExisting: 'replaceStale', unlinkOnClose: true })
const waiting = [await connect(path), await connect(path)]

// Connecting: the backlog has no room in time.
await connect(path, { timeout: 100 }).catch(error => console.log(error.code))

// Connecting, or accepting: a signal.
await connect(path, { signal: AbortSignal.timeout(100) }).catch(error => console.log(error.name))

// Silence: no byte in or out for so long. The socket stays open until it is destroyed.
const server = await listener.accept()
server.on('error', error => console.log(error.message))
server.setTimeout(100, () => server.destroy(new Error('the client is silent')))
await new Promise(resolve => server.once('close', resolve))

// A whole conversation, whatever happens in it.
const other = await listener.accept()
const limit = setTimeout(() => other.destroy(new Error('the conversation is too long')), 100)
try {
  for await (const chunk of other) console.log(String(chunk))
} catch (error) {
  console.log(error.message)
} finally {
  clearTimeout(limit)
}

for (const client of waiting) client.destroy()
await listener.close()
