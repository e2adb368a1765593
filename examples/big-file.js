// A file of any size, in constant memory: `node examples/big-file.js [path] [file]`
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { connect, listen } from 'udsock'

const path = process.argv[2] ?? 'file.sock'
const file = process.argv[3] ?? process.execPath

const listener = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })
const receiving = (async () => {
  const socket = await listener.accept()
  const hash = createHash('sha256')
  let length = 0
  // A loop over a socket destroys it when the peer has ended. This one goes on, so that the answer can be sent.
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    hash.update(chunk)
    length += chunk.length
  }
  socket.end(`${length} ${hash.digest('hex')}`)
})()

const socket = await connect(path, { timeout: 1000 })
let answer = ''
socket.setEncoding('utf8').on('data', text => (answer += text))
const closed = new Promise(resolve => socket.once('close', resolve))
// pipeline() waits for 'drain', reports errors of both streams, and ends the socket behind the last byte.
await pipeline(createReadStream(file), socket)
await closed
await receiving
await listener.close()

const hash = createHash('sha256')
let length = 0
for await (const chunk of createReadStream(file)) {
  hash.update(chunk)
  length += chunk.length
}
console.log(answer === `${length} ${hash.digest('hex')}` ? 'the file arrived' : `damaged: ${answer}`)
