import test from 'ava'
import { FrameDecoder } from '../../dist/internal/frames.js'
import { collector, generator, pattern } from '../helpers/streams.js'
import { frame } from './helpers.js'

const MiB = 1024 * 1024

const collect = collector()

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

/** The payloads of chunks, each of which is memory of its own. */
function decode(chunks: Uint8Array[], decoder = new FrameDecoder(MiB)): Buffer[] {
  const messages: Buffer[] = []
  for (const chunk of chunks) {
    decoder.push(Buffer.from(chunk))
    for (let message; (message = decoder.next()) !== undefined;) messages.push(message)
  }
  return messages
}

const payloads = [Buffer.from('one'), Buffer.alloc(0), Buffer.from('four'), Buffer.from([0]), pattern(300)]
const stream = Buffer.concat(payloads.map(frame))

test('every split point of a stream gives the same messages', t => {
  for (let at = 0; at <= stream.length; at++) {
    const decoder = new FrameDecoder(MiB)
    t.deepEqual(decode([stream.subarray(0, at), stream.subarray(at)], decoder), payloads, `at ${at}`)
    t.notThrows(() => decoder.end())
  }
})

test('every two split points of a short stream give the same messages', t => {
  const short = stream.subarray(0, 40)
  for (let first = 0; first <= short.length; first++)
    for (let second = first; second <= short.length; second++) {
      const chunks = [short.subarray(0, first), short.subarray(first, second), short.subarray(second)]
      t.deepEqual(decode(chunks), payloads.slice(0, 4), `at ${first} and ${second}`)
    }
})

test('a stream byte by byte gives the same messages', t => {
  const bytes = Array.from(stream, (_, at) => stream.subarray(at, at + 1))
  t.deepEqual(decode(bytes), payloads)
})

test('the end is legal between frames only', t => {
  const starts = new Set([0])
  let start = 0
  for (const payload of payloads) starts.add((start += 4 + payload.length))
  for (let at = 0; at <= stream.length; at++) {
    const decoder = new FrameDecoder(MiB)
    decode([stream.subarray(0, at)], decoder)
    if (starts.has(at)) t.notThrows(() => decoder.end(), `at ${at}`)
    else t.throws(() => decoder.end(), { code: 'ERR_FRAME_TRUNCATED' }, `at ${at}`)
  }
})

test('the error of a truncated frame names what is missing', t => {
  const decoder = new FrameDecoder(MiB)
  decode([header(10), Buffer.alloc(7)], decoder)
  t.throws(() => decoder.end(), { message: /7 of 10 bytes/ })
})

test('frames up to the limit pass, and one byte more is refused wherever its header is split', t => {
  const limit = 100
  for (let at = 0; at <= 4; at++) {
    const longest = frame(pattern(limit))
    const chunks = [longest.subarray(0, at), longest.subarray(at)]
    t.is(decode(chunks, new FrameDecoder(limit))[0]!.length, limit)
    const decoder = new FrameDecoder(limit)
    const longer = header(limit + 1)
    const expected = {
      instanceOf: RangeError,
      code: 'ERR_FRAME_TOO_LARGE',
      message: 'A message of 101 bytes is longer than options.maxMessageLength, 100',
    }
    t.throws(() => decode([longer.subarray(0, at), longer.subarray(at)], decoder), expected)
  }
})

test('lengths with the highest bit are lengths', t => {
  for (const length of [2 ** 31, 2 ** 32 - 1]) {
    t.throws(() => decode([header(length)]), { message: new RegExp(`^A message of ${length} bytes`) })
    const bytes = header(length)
    t.throws(() => decode([bytes.subarray(0, 2), bytes.subarray(2)]), {
      message: new RegExp(` ${length} bytes`),
    })
    const decoder = new FrameDecoder(2 ** 32 - 1)
    decode([bytes, pattern(5)], decoder)
    t.throws(() => decoder.end(), { message: new RegExp(`5 of ${length} bytes`) })
  }
})

test('messages before a frame that is too long are given out', t => {
  const decoder = new FrameDecoder(3)
  decoder.push(Buffer.concat([frame('one'), frame('two'), frame('four')]))
  t.is(String(decoder.next()), 'one')
  t.is(String(decoder.next()), 'two')
  t.throws(() => decoder.next(), { code: 'ERR_FRAME_TOO_LARGE' })
})

test('a limit of 0 lets empty messages pass', t => {
  t.deepEqual(decode([frame(''), frame('')], new FrameDecoder(0)), [Buffer.alloc(0), Buffer.alloc(0)])
  t.throws(() => decode([frame('x')], new FrameDecoder(0)), { code: 'ERR_FRAME_TOO_LARGE' })
})

test('random frames in random splits arrive whole, once and in order', t => {
  for (let seed = 1; seed <= 60; seed++) {
    const next = generator(seed)
    const length = (): number => [next(3), next(100), next(5000), next(60_000)][next(4)]!
    const expected = Array.from({ length: 40 }, (_, index) => pattern(length(), index))
    const bytes = Buffer.concat(expected.map(frame))
    const chunks: Buffer[] = []
    const most = 1 + [4, 50, 1000, 65_536][next(4)]!
    for (let start = 0; start < bytes.length;) {
      const end = start + next(most)
      chunks.push(bytes.subarray(start, end))
      start = Math.min(end, bytes.length)
    }
    const decoder = new FrameDecoder(MiB)
    const messages = decode(chunks, decoder)
    t.is(messages.length, expected.length, `seed ${seed}`)
    t.true(
      messages.every((message, index) => message.equals(expected[index]!)),
      `seed ${seed}`,
    )
    t.notThrows(() => decoder.end())
  }
})

test('a chunk that comes before the last was looked at is behind it', t => {
  const decoder = new FrameDecoder(MiB)
  for (let start = 0; start < stream.length; start += 50) decoder.push(stream.subarray(start, start + 50))
  t.deepEqual(decode([], decoder), [])
  const messages: Buffer[] = []
  for (let message; (message = decoder.next()) !== undefined;) messages.push(message)
  t.deepEqual(messages, payloads)
  t.true(decoder.isEmpty)
})

test('a message over several chunks has memory of exactly its size', t => {
  for (const size of [1, 1000, 16 * 1024, 100_000, 300_001]) {
    const bytes = frame(pattern(size))
    const chunks: Buffer[] = []
    for (let start = 0; start < bytes.length; start += 1000) chunks.push(bytes.subarray(start, start + 1000))
    if (chunks.length === 1) chunks.splice(0, 1, bytes.subarray(0, 2), bytes.subarray(2))
    const [message] = decode(chunks)
    t.true(message!.equals(pattern(size)))
    t.is(message!.buffer.byteLength, size)
  }
})

test('messages of one chunk share its memory, which cannot be transferred from under the others', t => {
  const decoder = new FrameDecoder(MiB)
  // As a socket's chunks: no part of the pool.
  const chunk = Buffer.allocUnsafeSlow(stream.length)
  stream.copy(chunk)
  decoder.push(chunk)
  const first = decoder.next()!
  t.is(first.buffer, chunk.buffer)
  try {
    structuredClone(first.buffer, { transfer: [first.buffer as ArrayBuffer] })
  } catch (error) {
    t.true(['DataCloneError', 'TypeError'].includes((error as Error).name))
  }
  t.is(String(first), 'one')
  t.is(decoder.next()!.length, 0)
  t.is(String(decoder.next()), 'four')
})

test('memory that is detached all the same is an error, if it can be, not wrong messages', t => {
  const detach = (ArrayBuffer.prototype as { transfer?: () => ArrayBuffer }).transfer
  if (detach === undefined) {
    t.pass('this runtime has no way to')
    return
  }
  const decoder = new FrameDecoder(MiB)
  const chunk = Buffer.allocUnsafeSlow(stream.length)
  stream.copy(chunk)
  decoder.push(chunk)
  const first = decoder.next()!
  let refused: unknown
  try {
    detach.call(first.buffer)
  } catch (error) {
    refused = error
  }
  if (refused === undefined) {
    t.throws(() => decoder.next(), { code: 'ERR_BUFFER_CHANGED' })
  } else {
    t.true(refused instanceof TypeError, 'the runtime does not detach what cannot be transferred')
    t.is(String(first), 'one')
    t.is(decoder.next()!.length, 0)
    t.is(String(decoder.next()), 'four')
  }
})

/** Bytes of the array buffers that are in use. V8 frees the others on another thread. */
async function bytesInUse(): Promise<number> {
  let [last, bytes] = [Infinity, -Infinity]
  while (bytes !== last) {
    last = bytes
    collect()
    await new Promise(resolve => setTimeout(resolve, 20))
    bytes = process.memoryUsage().arrayBuffers
  }
  return bytes
}

test.serial(
  'a header alone, or with a few bytes, causes no allocation of the length that it announces',
  async t => {
    const decoders = Array.from({ length: 1000 }, () => new FrameDecoder(16 * MiB))
    const growth = async (work: (decoder: FrameDecoder) => void): Promise<number> => {
      const before = await bytesInUse()
      for (const decoder of decoders) work(decoder)
      return (await bytesInUse()) - before
    }
    const announcement = header(16 * MiB)
    t.true((await growth(decoder => decode([announcement], decoder))) < MiB)
    t.true((await growth(decoder => decode([Buffer.from('x')], decoder))) < 20 * MiB)
    const chunk = pattern(20_000)
    t.true((await growth(decoder => decode([chunk], decoder))) < 45 * MiB)
  },
)

test.serial('a message in one-byte chunks costs time in proportion to its size', t => {
  const byte = Buffer.from('x')
  const decoder = new FrameDecoder(16 * MiB)
  decoder.push(header(MiB))
  t.is(decoder.next(), undefined)
  let message: Buffer | undefined
  // A quadratic decoder copies 500 GB here.
  for (let count = 0; count < MiB; count++) {
    decoder.push(byte)
    message = decoder.next()
  }
  t.true(message!.equals(Buffer.alloc(MiB, 'x')))
})
