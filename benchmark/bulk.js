// Workloads that move bytes one way. The client sends a header (the number of bytes, and that one chunk in `every` is
// compared with the pattern); the receiving end checks the bytes, and the clock stops when all have arrived.
import { Arrivals } from './pattern.js'

export const headerLength = 12
export const answerLength = 8

export function header(bytes, every) {
  const buffer = Buffer.alloc(headerLength)
  buffer.writeDoubleLE(bytes, 0)
  buffer.writeUInt32LE(every, 8)
  return buffer
}

/** What a receiving end answers: a number. */
export function amountAnswer(value) {
  const buffer = Buffer.alloc(answerLength)
  buffer.writeDoubleLE(value, 0)
  return buffer
}

/** Reads exactly `length` bytes from `socket` at a time, between which nothing else may arrive. */
export function reader(socket, length, handle) {
  let pending = Buffer.alloc(0)
  return chunk => {
    pending = Buffer.concat([pending, chunk])
    if (pending.length > length) throw new Error('more bytes arrived than were announced')
    if (pending.length < length) return
    const whole = pending
    pending = Buffer.alloc(0)
    handle(whole)
  }
}

/** Writes `count` slices of the pattern, pausing whenever the socket asks for it. */
function pump(socket, pattern, count) {
  while (count > 0) {
    count--
    if (!socket.write(pattern.next())) return void socket.once('drain', () => pump(socket, pattern, count))
  }
}

/** Server side of `receive`: sends the requested number of bytes. */
export function source(socket, pattern) {
  const size = pattern.slices[0].length
  const onHeader = reader(socket, headerLength, whole => pump(socket, pattern, whole.readDoubleLE(0) / size))
  socket.on('data', onHeader)
  socket.on('end', () => socket.end())
}

/** Server side of `send` and `large`: reports that it is ready, reads the announced bytes, and answers with their number. */
export function sink(socket, pattern) {
  const checker = new Arrivals(pattern.data)
  let missing = 0
  let started = 0
  const answer = value => socket.write(amountAnswer(value))
  const onHeader = reader(socket, headerLength, whole => {
    missing = whole.readDoubleLE(0)
    checker.every = whole.readUInt32LE(8)
    started = checker.bytes
    answer(0)
  })
  socket.on('data', chunk => {
    if (missing === 0) return onHeader(chunk)
    checker.take(chunk)
    missing -= chunk.length
    if (missing < 0) throw new Error('more bytes arrived than were announced')
    if (missing === 0) answer(checker.bytes - started)
  })
  socket.on('end', () => socket.end())
}

/** A connection that must not end before it is closed. */
export async function open(connect) {
  const socket = await connect()
  socket.on('end', () => {
    throw new Error('the connection ended early')
  })
  const close = async () => {
    socket.removeAllListeners('end')
    await new Promise(resolve => socket.once('close', resolve).end())
  }
  return { socket, close }
}

export async function receive({ connect, pattern, arrivals, every }) {
  const { socket, close } = await open(connect)
  const size = pattern.slices[0].length
  const checker = arrivals()
  let missing = 0
  let finished
  socket.on('data', chunk => {
    checker.take(chunk)
    missing -= chunk.length
    if (missing < 0) throw new Error('more bytes arrived than were asked for')
    if (missing === 0) finished()
  })
  return {
    step: count =>
      new Promise(resolve => {
        finished = () => resolve({ operations: count })
        missing = count * size
        checker.every = every()
        socket.write(header(missing, 1))
      }),
    checkers: [checker],
    close,
  }
}

export async function send({ connect, pattern, every }) {
  const { socket, close } = await open(connect)
  const size = pattern.slices[0].length
  let answered
  const onAnswer = reader(socket, answerLength, whole => answered(whole.readDoubleLE(0)))
  socket.on('data', chunk => onAnswer(chunk))
  const answer = () => new Promise(resolve => void (answered = resolve))
  const total = { bytes: 0, finish() {} }
  return {
    async step(count, clock) {
      const ready = answer()
      socket.write(header(count * size, every()))
      await ready
      clock.restart()
      const taken = answer()
      pump(socket, pattern, count)
      const bytes = await taken
      if (bytes !== count * size) throw new Error(`${bytes} of ${count * size} bytes arrived`)
      total.bytes += bytes
      return { operations: count }
    },
    checkers: [total],
    close,
  }
}

/** The same with one write() at a time, each of which is the whole pattern. */
export async function large(context) {
  const one = await send(context)
  return {
    ...one,
    async step(count, clock) {
      let elapsed = 0
      for (let i = 0; i < count; i++) {
        await one.step(1, clock)
        elapsed += clock.lap()
      }
      return { operations: count, elapsed }
    },
  }
}
