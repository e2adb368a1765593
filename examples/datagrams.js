// A service that answers datagrams, and a client: `node examples/datagrams.js [path]`
import { bindDatagram } from 'udsock'

const path = process.argv[2] ?? 'datagrams.sock'

const server = await bindDatagram(path, { mode: 0o600, onExisting: 'replaceStale', unlinkOnClose: true })
server.on('message', (message, { from }) => {
  if (from !== undefined) server.send(`${message.length} bytes`, { to: from })
})

// A path of its own, at which the server's answers arrive.
const client = await bindDatagram(`${path}.client`, {
  mode: 0o600,
  onExisting: 'replaceStale',
  unlinkOnClose: true,
})
await client.connect(path)
client.send('hello')
client.send('')
await client.sendAndWait('x'.repeat(1000))

let answers = 0
for await (const { data } of client) {
  console.log(String(data))
  if (++answers === 3) break
}
await server.close()
