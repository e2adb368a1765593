// JSON lines: one JSON value on each line, in both directions: `node examples/json-lines.js [path]`
import { createInterface } from 'node:readline'
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'lines.sock'
const listener = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })

async function serve(socket) {
  // readline does not report the socket's errors.
  socket.on('error', error => console.error(error.message))
  for await (const line of createInterface({ input: socket })) {
    let answer
    try {
      const { add } = JSON.parse(line)
      answer = { sum: add[0] + add[1] }
    } catch (error) {
      answer = { error: error.message }
    }
    // Without this wait, a client that sends but does not read would fill the memory.
    if (!socket.write(`${JSON.stringify(answer)}\n`))
      await new Promise(resolve => socket.once('drain', resolve))
  }
  socket.end()
}

const serving = (async () => {
  for await (const socket of listener) void serve(socket)
})()

const socket = await connect(path, { timeout: 1000 })
socket.write('{ "add": [1, 2] }\n')
socket.end('{ "add": [3, 4] }\n')
for await (const line of createInterface({ input: socket })) console.log(JSON.parse(line).sum)

await listener.close()
await serving
