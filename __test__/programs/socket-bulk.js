// Sends a number of bytes in chunks of random sizes and slowly receives as many; prints its observations.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const [, , role, path, seed, total] = process.argv
let state = Number(seed)
const random = limit => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return Math.floor((state / 2 ** 32) * limit)
}
const material = Buffer.alloc(1 << 20)
for (let at = 0; at < material.length; at += 4) material.writeUInt32LE(random(2 ** 32), at)

let socket
if (role === 'server') {
  const listener = await listen(address(path))
  console.log('listening')
  socket = await listener.accept()
  await listener.close()
} else {
  socket = await connect(address(path))
}

const seen = { refusals: 0, drains: 0, rss: 0, arrayBuffers: 0, writableLength: 0, readableLength: 0 }
const start = process.memoryUsage()
const look = () => {
  const { rss, arrayBuffers } = process.memoryUsage()
  seen.rss = Math.max(seen.rss, rss - start.rss)
  seen.arrayBuffers = Math.max(seen.arrayBuffers, arrayBuffers - start.arrayBuffers)
}
socket.on('drain', () => seen.drains++)

async function send() {
  const hash = createHash('sha256')
  for (let left = Number(total); left > 0;) {
    const most = [1, 100, 8192, 20_000, 200_000, 1_000_000][random(6)]
    const length = Math.min(left, 1 + random(most))
    const from = random(material.length - length)
    const chunk = material.subarray(from, from + length)
    hash.update(chunk)
    left -= length
    const more = socket.write(chunk)
    seen.writableLength = Math.max(seen.writableLength, socket.writableLength)
    if (!more) {
      if (socket.writableLength > 0) seen.refusals++
      look()
      await once(socket, 'drain')
    }
  }
  socket.end()
  return hash.digest('hex')
}

async function receive() {
  // No reads before the kernel's buffer is full.
  while (seen.refusals === 0 || socket.bytesWritten === 0) await setImmediate()
  for (let turn = 0; turn < 50; turn++) await setImmediate()
  const hash = createHash('sha256')
  let chunks = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    hash.update(chunk)
    seen.readableLength = Math.max(seen.readableLength, socket.readableLength)
    if (++chunks % 16 === 0) {
      look()
      for (let turn = random(20); turn > 0; turn--) await setImmediate()
    }
  }
  return hash.digest('hex')
}

const [sent, received] = await Promise.all([send(), receive()])
const { bytesRead, bytesWritten } = socket
console.log(JSON.stringify({ sent, received, bytesRead, bytesWritten, ...seen }))
