// Request and response: a client asks, waits for the answer and asks again. Every round trip is a sample.
import { framerOf } from './framed.js'
import { conversation } from './messages.js'

/**
 * Opened client of a workload, of a function that asks once. `ask` resolves with the number of bytes that were checked
 * in the answer; `inFlight` asks run at once.
 */
export function asking(ask, inFlight, close) {
  const total = { bytes: 0, finish() {} }
  return {
    async step(count) {
      const latencies = new Float64Array(count)
      let asked = 0
      const lane = async () => {
        while (asked < count) {
          const index = asked++
          const started = performance.now()
          total.bytes += await ask()
          latencies[index] = performance.now() - started
        }
      }
      await Promise.all(Array.from({ length: inFlight }, lane))
      return { operations: count, latencies }
    },
    checkers: [total],
    close,
  }
}

/** Callbacks of the asks in flight, oldest first: answers come in order. */
export class Waiting {
  #first = 0
  #callbacks = []

  push(callback) {
    this.#callbacks.push(callback)
  }

  /** Takes the oldest callback. Throws if nothing was asked. */
  shift() {
    const callback = this.#callbacks[this.#first]
    if (callback === undefined) throw new Error('an answer came that nothing asked for')
    this.#callbacks[this.#first++] = undefined
    if (this.#first === this.#callbacks.length) {
      this.#first = 0
      this.#callbacks.length = 0
    }
    return callback
  }
}

/** Plain messages, of one size each. */
export const messages = inFlight => async context => {
  const { pattern } = context
  const size = pattern.slices[0].length
  const talk = await conversation(context)
  const waiting = new Waiting()
  let received = 0
  talk.receive = chunk => {
    talk.checker.take(chunk)
    for (received += chunk.length; received >= size; received -= size) waiting.shift()(size)
  }
  const ask = () =>
    new Promise(resolve => {
      waiting.push(resolve)
      talk.socket.write(pattern.next())
    })
  return asking(ask, inFlight, () => talk.close())
}

/** Length-delimited messages, framed as in `framed.js`. */
export const frames = inFlight => async context => {
  const { connect, transport, pattern, arrivals } = context
  const Framer = await framerOf(transport)
  const framer = new Framer(await connect(), false)
  const checker = arrivals()
  const size = pattern.slices[0].length
  const waiting = new Waiting()
  let closing = false
  framer.onMessage(message => {
    if (message.length !== size) throw new Error(`a message of ${message.length} bytes came back`)
    checker.take(message)
    waiting.shift()(size)
  })
  framer.onEnd(() => {
    if (!closing) throw new Error('the connection ended early')
  })
  const ask = () =>
    new Promise(resolve => {
      waiting.push(resolve)
      framer.send(pattern.next())
    })
  return asking(ask, inFlight, () => {
    closing = true
    return framer.close()
  })
}

/** Waits for `microseconds` on the processor, or for `milliseconds` by a timer, before it answers. */
export function slowEcho({ microseconds, milliseconds }) {
  const answer = (socket, chunk) => {
    if (milliseconds) return void setTimeout(() => socket.write(chunk), milliseconds)
    const end = performance.now() + microseconds / 1000
    while (performance.now() < end);
    socket.write(chunk)
  }
  return socket => {
    socket.on('data', chunk => answer(socket, chunk))
    socket.on('end', () => socket.end())
  }
}
