// Messages whose boundaries the kernel keeps: `node examples/packets.js [path]`
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'packets.sock'

async function serve(socket) {
  // Plain `for await` throws for a message that is longer than maxMessageLength.
  for await (const { data, truncated } of socket.messages())
    socket.send(truncated ? `more than ${data.length} bytes` : `${data.length} bytes`)
}

const listener = await listen(path, {
  type: 'seqpacket',
  maxMessageLength: 100,
  mode: 0o600,
  onExisting: 'replaceStale',
  unlinkOnClose: true,
})
const serving = (async () => {
  for await (const socket of listener) serve(socket).catch(error => console.error(error.message))
})()

const client = await connect(path, { type: 'seqpacket', timeout: 1000 })
client.send('hello')
client.send('')
await client.sendAndWait('x'.repeat(1000))
client.end()
for await (const answer of client) console.log(String(answer))

await listener.close()
await serving
