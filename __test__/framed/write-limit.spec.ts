import test, { type ExecutionContext } from 'ava'
import { connect, FramedSocket, type UnixSocket } from '../../index.js'
import { recorded } from './helpers.js'
import { eventually, everyPlace, listening, type Place } from '../helpers/sockets.js'
import { generator, leavesNoDescriptors, pattern, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException

/** A framed socket whose peer reads nothing yet. */
async function limited(
  t: ExecutionContext,
  place: Place,
): Promise<{ framed: FramedSocket; peer: UnixSocket }> {
  const listener = await listening(t, place)
  const socket = await connect(listener.path, { writeLimit: 300_000 })
  const peer = await listener.accept()
  t.teardown(() => {
    socket.destroy()
    peer.destroy()
  })
  return { framed: new FramedSocket(socket), peer }
}

for (const place of everyPlace) {
  for (const size of [1000, 20_000])
    test(`a message of ${size} bytes beyond writeLimit is refused alone where it has a callback (${place})`, async t => {
      const { framed, peer } = await limited(t, place)
      const events = recorded(framed)
      const sent: number[] = []
      const refused: number[] = []
      const count = Math.ceil(2_000_000 / size)
      for (let number = 0; number < count; number++) {
        framed.send(pattern(size, number), error => {
          if ((error as Failure | null | undefined)?.code === 'ERR_BACKPRESSURE_LIMIT') refused.push(number)
          else if (!error) sent.push(number)
        })
      }
      await turns(5)
      t.true(refused.length > 0)
      t.deepEqual([framed.socket.destroyed, events], [false, []])
      const received: Buffer[] = []
      const reading = (async () => {
        for await (const message of new FramedSocket(peer)) received.push(message)
      })()
      await eventually('all callbacks are called', () => sent.length + refused.length === count)
      t.is(await framed.sendAndWait('goes on'), undefined)
      framed.end()
      await reading
      t.deepEqual(
        received.map(message => message.length),
        [...sent.map(() => size), 'goes on'.length],
      )
      t.true(received.every((message, at) => at === sent.length || message.equals(pattern(size, sent[at]!))))
    })

  test(`short messages of any length are refused alone, too, also where only their length is too much (${place})`, async t => {
    const { framed, peer } = await limited(t, place)
    const next = generator(3)
    const short = pattern(30)
    let refused = 0
    let sent = 0
    let bytes = 0
    for (let number = 0; number < 60_000; number++) {
      const length = next(30)
      framed.send(short.subarray(0, length), error => {
        if (error) refused++
        else sent++
        if (!error) bytes += length
      })
    }
    await turns(5)
    t.true(refused > 0)
    t.false(framed.socket.destroyed)
    let received = 0
    const reading = (async () => {
      let count = 0
      for await (const message of new FramedSocket(peer)) {
        count++
        received += message.length
      }
      return count
    })()
    await eventually('all callbacks are called', () => sent + refused === 60_000)
    framed.end()
    t.deepEqual([await reading, received], [sent, bytes])
  })

  test(`without one it destroys the socket, and only 'close' follows the error (${place})`, async t => {
    const { framed } = await limited(t, place)
    const events = recorded(framed)
    for (let number = 0; number < 2000 && !framed.socket.destroyed; number++) framed.send(pattern(1000))
    t.true(framed.socket.destroyed)
    await eventually('it closes', () => events.includes('close'))
    await turns(5)
    t.deepEqual(events, ['error ERR_BACKPRESSURE_LIMIT', 'close'])
  })

  test(`so does a last message of end() (${place})`, async t => {
    const { framed } = await limited(t, place)
    const events = recorded(framed)
    for (let number = 0; number < 30; number++) framed.send(pattern(20_000), () => {})
    framed.end(pattern(300_000))
    await eventually('it closes', () => events.includes('close'))
    t.deepEqual(events, ['error ERR_BACKPRESSURE_LIMIT', 'close'])
  })

  test(`sendAndWait() rejects beyond writeLimit, and the connection lives on (${place})`, async t => {
    const { framed, peer } = await limited(t, place)
    const sending = Array.from({ length: 100 }, async (_, number) =>
      framed.sendAndWait(pattern(20_000, number)),
    )
    const settled = Promise.allSettled(sending)
    await turns(5)
    t.false(framed.socket.destroyed)
    const reading = (async () => {
      let count = 0
      for await (const _ of new FramedSocket(peer)) count++
      return count
    })()
    const outcomes = await settled
    const failures = outcomes.filter(outcome => outcome.status === 'rejected')
    t.true(failures.length > 0)
    t.true(failures.every(({ reason }) => (reason as Failure).code === 'ERR_BACKPRESSURE_LIMIT'))
    framed.end()
    t.is(await reading, 100 - failures.length)
  })
}
