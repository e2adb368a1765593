// `npm run fuzz:frames`: mutated streams through the frame decoder, against a reference that joins everything first.
//   --seconds N   how long, default 10          --runs N   instead: so many streams
//   --seed S      the first seed; a failure names the seed that repeats it
import { parseArgs } from 'node:util'
import { FrameDecoder } from '../dist/internal/frames.js'

const headerLength = 4

/** Numbers from 0 to below `limit` (xorshift32). */
function generator(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1
  return limit => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** A length: often a boundary, mostly small, seldom larger than the memory that a header alone gets. */
function someLength(next) {
  const kind = next(20)
  if (kind < 4) return kind
  if (kind < 17) return next(80)
  return kind < 19 ? next(3000) : next(70_000)
}

function someBytes(next, length) {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index += 4)
    bytes.writeInt32LE(next(2 ** 32) | 0, Math.min(index, length - 4))
  return bytes
}

function someStream(next) {
  const parts = []
  for (let frames = next(12); frames > 0; frames--) {
    const length = someLength(next)
    const header = Buffer.alloc(headerLength)
    header.writeUInt32BE(length)
    parts.push(header, length < 4 ? Buffer.alloc(length, frames) : someBytes(next, length))
  }
  let stream = Buffer.concat(parts)
  for (let mutations = next(4); mutations > 0 && stream.length > 0; mutations--) {
    const at = next(stream.length)
    const kind = next(4)
    if (kind === 0) stream[at] ^= 1 << next(8)
    else if (kind === 1) stream = stream.subarray(0, at)
    else if (kind === 2) stream = Buffer.concat([stream.subarray(0, at), stream.subarray(at + 1 + next(6))])
    else stream = Buffer.concat([stream.subarray(0, at), someBytes(next, 4 + next(8)), stream.subarray(at)])
  }
  return stream
}

/** The payloads, and the code of the error that ends them. */
function reference(stream, maxMessageLength) {
  const messages = []
  let rest = stream
  while (rest.length >= headerLength) {
    const length = rest.readUInt32BE()
    if (length > maxMessageLength) return { messages, code: 'ERR_FRAME_TOO_LARGE' }
    if (rest.length < headerLength + length) break
    messages.push(rest.subarray(headerLength, headerLength + length))
    rest = rest.subarray(headerLength + length)
  }
  return { messages, code: rest.length > 0 ? 'ERR_FRAME_TRUNCATED' : undefined }
}

function decoded(stream, maxMessageLength, next) {
  const decoder = new FrameDecoder(maxMessageLength)
  const messages = []
  const largestCut = [1, 3, 8, 100, 5000, 100_000][next(6)]
  try {
    for (let start = 0; start < stream.length;) {
      const end = Math.min(stream.length, start + next(largestCut + 1))
      // Seldom adds a second chunk before the first is consumed.
      const held = next(50) === 0
      decoder.push(Buffer.from(stream.subarray(start, end)))
      start = end
      if (held && start < stream.length) continue
      for (let message; (message = decoder.next()) !== undefined;) messages.push(message)
      if (!decoder.isEmpty) throw new Error('the decoder has no message and has not looked at everything')
    }
    decoder.end()
    return { messages, code: undefined }
  } catch (error) {
    if (error.code === undefined) throw error
    return { messages, code: error.code }
  }
}

/** Throws where the decoder and the reference differ. */
function run(seed) {
  const next = generator(seed)
  const stream = someStream(next)
  const maxMessageLength = [0, 50, 3000, 100_000, 2 ** 32 - 1][next(5)]
  const expected = reference(stream, maxMessageLength)
  const actual = decoded(stream, maxMessageLength, next)
  if (actual.code !== expected.code) throw new Error(`ended with ${actual.code}, not ${expected.code}`)
  if (actual.messages.length !== expected.messages.length)
    throw new Error(`${actual.messages.length} messages, not ${expected.messages.length}`)
  for (const [index, message] of expected.messages.entries())
    if (!message.equals(actual.messages[index])) throw new Error(`message ${index} differs`)
  return expected
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
  },
})
const [seconds, runs, first] = [values.seconds, values.runs, values.seed].map(Number)
if (![seconds, runs, first].every(value => value >= 0))
  throw new Error('--seconds, --runs and --seed want numbers')
const latest = values.runs === 'Infinity' ? performance.now() + seconds * 1000 : Infinity
const seen = {}
let seed = first
for (; seed < first + runs && performance.now() < latest; seed++) {
  try {
    const { messages, code = 'whole' } = run(seed)
    seen[code] = (seen[code] ?? 0) + 1
    seen.messages = (seen.messages ?? 0) + messages.length
  } catch (error) {
    console.error(`--seed ${seed} --runs 1: ${error.stack}`)
    process.exit(1)
  }
}
console.log(`${seed - first} streams from seed ${first} on: ${JSON.stringify(seen)}`)
