// Datagrams between two processes. A client is bound to a path of its own, by which the server answers.
import { amountAnswer, header } from './bulk.js'
import { soon } from './framed.js'
import { Arrivals } from './pattern.js'

/** Server side of `datagram`: reports that it is ready, takes the announced number of messages, and answers with it. */
export function datagramSink(endpoint, pattern) {
  const checker = new Arrivals(pattern.data)
  const size = pattern.slices[0].length
  let announced = 0
  let missing = 0
  let client
  endpoint.onMessage((message, from) => {
    if (missing === 0) {
      announced = missing = message.readDoubleLE(0)
      checker.every = message.readUInt32LE(8)
      client = from
      endpoint.answer(amountAnswer(0), client)
      return
    }
    if (message.length !== size) throw new Error(`a message of ${message.length} bytes arrived`)
    checker.take(message)
    if (--missing === 0) endpoint.answer(amountAnswer(announced), client)
  })
}

/** Server side of `datagram-rtt`. */
export function datagramEcho(endpoint) {
  endpoint.onMessage((message, from) => endpoint.answer(message, from))
}

/** One way: a message that is lost leaves the server waiting, so that the run fails. */
export async function datagrams({ connect, pattern, every }) {
  const endpoint = await connect()
  const size = pattern.slices[0].length
  const total = { bytes: 0, finish() {} }
  let answered
  endpoint.onMessage(message => answered(message.readDoubleLE(0)))
  const answer = () => new Promise(resolve => void (answered = soon(resolve)))
  const pump = count => {
    for (; count > 0; count--)
      if (!endpoint.send(pattern.next())) return void endpoint.onRoom(() => pump(count - 1))
  }
  return {
    async step(count, clock) {
      const ready = answer()
      endpoint.send(header(count, every()))
      await ready
      clock.restart()
      const taken = answer()
      pump(count)
      const delivered = await taken
      if (delivered !== count) throw new Error(`${delivered} of ${count} messages were delivered`)
      total.bytes += count * size
      return { operations: count }
    },
    checkers: [total],
    close: () => endpoint.close(),
  }
}

/** One message in flight; every round trip is a sample. */
export async function datagramPing({ connect, pattern, arrivals }) {
  const endpoint = await connect()
  const checker = arrivals()
  const size = pattern.slices[0].length
  let receive
  endpoint.onMessage(message => receive(message))
  return {
    step: count =>
      new Promise(resolve => {
        const latencies = new Float64Array(count)
        let done = 0
        let started = 0
        const ask = () => {
          started = performance.now()
          endpoint.send(pattern.next())
        }
        receive = message => {
          latencies[done++] = performance.now() - started
          if (message.length !== size) throw new Error(`a message of ${message.length} bytes came back`)
          checker.take(message)
          if (done < count) ask()
          else soon(resolve)({ operations: count, latencies })
        }
        ask()
      }),
    checkers: [checker],
    close: () => endpoint.close(),
  }
}
