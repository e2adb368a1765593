// Reads everything from one connection, in the way of `how`, and prints how many bytes, and how many descriptors there were before
// and behind it. Arguments: how ('stream' or 'onread'), and a path to connect to or the number of a listening descriptor.
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { once } from 'node:events'
import { abstractName, connect, listen } from '../../index.js'
import './settled.js'

const [how, target] = process.argv.slice(2)
const descriptors = () => readdirSync('/proc/self/fd').length - 1

// Descriptors that are opened once and stay.
const warm = await listen(abstractName(randomBytes(8)))
const ends = await Promise.all([connect(warm.path), warm.accept()])
for (const end of ends) await end[Symbol.asyncDispose]()
await warm.close()

const before = descriptors()
let bytes = 0
let most = before
const took = length => {
  bytes += length
  most = Math.max(most, descriptors())
}
const onread = { buffer: Buffer.alloc(65_536), callback: length => took(length) }
const fd = Number(target)
const listener = Number.isNaN(fd) ? undefined : await listen({ fd })
const socket = await (listener?.accept() ?? connect(target, how === 'onread' ? { onread } : {}))
if (how === 'stream') socket.on('data', chunk => took(chunk.length))
await once(socket, 'end')
await socket[Symbol.asyncDispose]()
// The listener's own is gone, too.
await listener?.close()
const own = listener === undefined ? 0 : 1
// Another thread closes what came unasked.
for (let tries = 0; tries < 500 && descriptors() + own > before; tries++)
  await new Promise(resolve => setTimeout(resolve, 10))
console.log(JSON.stringify({ bytes, before, most, after: descriptors() + own }))
