// JSON-RPC with vscode-jsonrpc: `npm install vscode-jsonrpc`, then `node examples/json-rpc.js [path]`
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node'
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'rpc.sock'
// vscode-jsonrpc notices the end of a peer when the socket closes.
const options = { allowHalfOpen: false }
const listener = await listen(path, { ...options, onExisting: 'replaceStale', unlinkOnClose: true })

const over = socket =>
  createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket))

const serving = (async () => {
  for await (const socket of listener) {
    socket.on('error', error => console.error(error.message))
    const connection = over(socket)
    connection.onRequest('add', (a, b) => a + b)
    connection.listen()
  }
})()

const socket = await connect(path, { ...options, timeout: 1000 })
const connection = over(socket)
connection.listen()
console.log(await connection.sendRequest('add', 1, 2))
connection.dispose()
socket.destroy()

await listener.close()
await serving
