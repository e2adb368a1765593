// A listener of 'descriptors' throws, for a small read and for a large one. Prints as JSON the errors and how many bytes arrive all the same.
import { socketpair } from '../../index.js'

const errors = []
process.on('uncaughtException', ({ message }) => errors.push(message))
const [one, other] = socketpair({ receiveDescriptors: 1 })
let bytes = 0
other.on('descriptors', ([descriptor]) => {
  descriptor.close()
  throw new Error(bytes === 0 ? 'small' : 'large')
})
other.on('data', chunk => {
  bytes += chunk.length
})
one.write('x', { descriptors: [0] })
await new Promise(resolve => other.once('data', resolve))
one.write(Buffer.alloc(1_000_000))
one.write('y', { descriptors: [0] })
one.end()
await new Promise(resolve => other.once('end', resolve))
console.log(JSON.stringify({ errors, bytes }))
