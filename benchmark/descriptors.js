// Descriptors one way over a stream, each with a message of its own. The receiving end closes them and counts.
import { openSync } from 'node:fs'
import { amountAnswer, answerLength, header, headerLength, open, reader } from './bulk.js'
import { Arrivals } from './pattern.js'

/** Messages that the client sends before they are confirmed: usocket loses the descriptors of what the kernel does not take at once. */
const window = 128
/** Messages that the server confirms at once. */
const together = 64

/** Server side: reports that it is ready, takes the announced messages, and confirms them with the number of all descriptors so far. */
export function descriptorSink({ socket, onDescriptors }, pattern) {
  const checker = new Arrivals(pattern.data)
  const unit = together * pattern.slices[0].length
  let taken = 0
  let missing = 0
  let unconfirmed = 0
  const confirm = () => socket.write(amountAnswer(taken))
  onDescriptors(count => void (taken += count))
  const onHeader = reader(socket, headerLength, whole => {
    missing = whole.readDoubleLE(0)
    checker.every = whole.readUInt32LE(8)
    unconfirmed = 0
    confirm()
  })
  socket.on('data', chunk => {
    if (missing === 0) return onHeader(chunk)
    checker.take(chunk)
    missing -= chunk.length
    unconfirmed += chunk.length
    if (missing < 0) throw new Error('more bytes arrived than were announced')
    if (unconfirmed < unit && missing > 0) return
    unconfirmed -= unit
    confirm()
  })
  socket.on('end', () => socket.end())
}

export async function descriptors({ connect, pattern, every }) {
  let end
  const { socket, close } = await open(async () => (end = await connect()).socket)
  const size = pattern.slices[0].length
  const descriptor = openSync('/dev/null', 'r')
  const total = { bytes: 0, finish() {} }
  let sent = 0
  let taken = 0
  let onConfirmed
  let rest = Buffer.alloc(0)
  socket.on('data', chunk => {
    rest = Buffer.concat([rest, chunk])
    for (; rest.length >= answerLength; rest = rest.subarray(answerLength)) {
      taken = rest.readDoubleLE(0)
      onConfirmed()
    }
  })
  return {
    async step(count, clock) {
      const before = sent
      await new Promise(resolve => {
        onConfirmed = resolve
        socket.write(header(count * size, every()))
      })
      if (taken !== before) throw new Error(`${before - taken} descriptors were lost`)
      clock.restart()
      await new Promise(resolve => {
        const wanted = before + count
        onConfirmed = () => {
          for (; sent < wanted && sent - taken < window; sent++) end.send(pattern.next(), descriptor)
          if (taken === wanted) resolve()
        }
        onConfirmed()
      })
      total.bytes += count * size
      return { operations: count }
    },
    checkers: [total],
    close,
  }
}
