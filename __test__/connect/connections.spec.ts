import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once as emitted } from 'node:events'
import { performance } from 'node:perf_hooks'
import { writeFileSync } from 'node:fs'
import test from 'ava'
import { connect, connections, listen, type UnixSocket } from '../../index.js'
import { Backoff } from '../../dist/internal/backoff.js'
import { countedSignal } from '../helpers/signals.js'
import { codeOf, descriptors, directory, everyPlace, eventually, places, sleep } from '../helpers/sockets.js'

for (const place of everyPlace) {
  test.serial(`connections follow a server that comes and goes, at a ${place}`, async t => {
    const path = places[place](t)
    const received: string[] = []
    const client = (async () => {
      for await (const socket of connections(path, { minDelay: 5, maxDelay: 20 })) {
        for await (const chunk of socket) received.push(String(chunk))
        if (received.length === 3) break
      }
    })()
    for (let round = 0; round < 3; round++) {
      await sleep(30)
      const listener = await listen(path, { unlinkOnClose: true })
      const server = await listener.accept()
      await listener.close()
      server.end(`round ${round}`)
      await emitted(server.resume(), 'close')
    }
    await client
    t.deepEqual(received, ['round 0', 'round 1', 'round 2'])
  })
}

test.serial('the next connection is made only when the last one is closed', async t => {
  const listener = await listen(places.path(t), { backlog: 100 })
  t.teardown(() => listener.close())
  const iterator = connections(listener.path, { minDelay: 0 })
  const first = (await iterator.next()).value as UnixSocket
  const next = iterator.next()
  t.is(await Promise.race([next.then(() => 'connected'), sleep(50).then(() => 'waiting')]), 'waiting')
  first.destroy()
  const second = (await next).value as UnixSocket
  t.not(first, second)
  t.true(first.closed)
  t.deepEqual(await iterator.return(), { done: true, value: undefined })
  t.false(second.destroyed)
  second.destroy()
})

test('a delay is at most the one that is due, and at least half of it; the one that is due doubles up to the longest', t => {
  const backoff = new Backoff(20, 70)
  for (const due of [20, 40, 70, 70]) {
    const delay = backoff.next()
    t.true(delay >= due / 2 && delay <= due, `${delay} of ${due}`)
  }
  backoff.consider(70)
  t.true(backoff.next() >= 35)
  backoff.consider(71)
  t.true(backoff.next() <= 20)
  const several = Array.from({ length: 20 }, () => new Backoff(1000, 1000).next())
  t.true(new Set(several).size > 1)
})

test.serial('the delay grows with short connections, and starts anew after one that lasted', async t => {
  const listener = await listen(places.path(t), { backlog: 100 })
  t.teardown(() => listener.close())
  const [lasting, brief] = [0, 0].map(() => connections(listener.path, { minDelay: 200 }))
  const take = async (iterator: typeof lasting): Promise<UnixSocket> =>
    (await iterator!.next()).value as UnixSocket
  const takeTwice = async (iterator: typeof lasting): Promise<void> => {
    for (let count = 0; count < 2; count++) (await take(iterator)).destroy()
  }
  await Promise.all([takeTwice(lasting), takeTwice(brief)])
  const long = await take(lasting)
  // The delay that is due is 800 ms now. A connection that lasts longer sets it back to 200 ms.
  await sleep(850)
  const short = await take(brief)
  for (const socket of [long, short]) socket.destroy()
  const begin = performance.now()
  const order: [string, number][] = []
  await Promise.all(
    Object.entries({ brief, lasting }).map(async ([name, iterator]) => {
      const socket = await take(iterator)
      order.push([name, performance.now() - begin])
      socket.destroy()
      await iterator!.return()
    }),
  )
  t.deepEqual(
    order.map(([name]) => name),
    ['lasting', 'brief'],
  )
  // Timers of Node may fire a millisecond early.
  for (const [index, least] of [100, 400].entries()) t.true(order[index]![1] >= least - 1.5, String(order))
})

test.serial(
  'an abort ends a wait for a server, for a close and for an attempt, and leaves nothing',
  async t => {
    const path = places.path(t)
    await codeOf(connect(path))
    const before = descriptors()
    const { controller, signal, listeners } = countedSignal()
    const waiting = connections(path, { signal, minDelay: 60_000, maxDelay: 60_000 }).next()
    await sleep(20)
    const listener = await listen(path)
    const iterator = connections(path, { signal })
    const socket = (await iterator.next()).value as UnixSocket
    const closing = iterator.next()
    await sleep(20)
    controller.abort('enough')
    for (const promise of [waiting, closing, connections(path, { signal }).next()]) {
      const error = await t.throwsAsync<Error & { code: string }>(promise)
      t.is(error?.code, 'ABORT_ERR')
      t.is(error?.cause, 'enough')
    }
    t.is(listeners(), 0)
    t.false(socket.destroyed)
    socket.destroy()
    t.deepEqual(await iterator.next(), { done: true, value: undefined })
    await listener.close()
    await eventually('no descriptor is left', () => descriptors() <= before)
  },
)

test.serial('a delay beyond the range of timers waits as long as a timer can', async t => {
  const { controller, signal } = countedSignal()
  const attempts: unknown[] = []
  const report = (message: unknown): number => attempts.push(message)
  subscribe('udsock:wait', report)
  t.teardown(() => unsubscribe('udsock:wait', report))
  const waiting = codeOf(connections(places.path(t), { signal, minDelay: 2 ** 33 }).next())
  await eventually('an attempt has failed', () => attempts.length > 0)
  await sleep(50)
  controller.abort()
  t.is(await waiting, 'ABORT_ERR')
  t.is(attempts.length, 1)
})

test.serial('failures that do not pass end the iteration, and arguments are checked at the call', async t => {
  const path = places.path(t)
  const message = (options: object): string | undefined =>
    t.throws<Error & { code: string }>(() => connections(path, options as never))?.code
  t.is(message({ minDelay: '1' }), 'ERR_INVALID_ARG_TYPE')
  t.is(message({ minDelay: -1 }), 'ERR_OUT_OF_RANGE')
  t.is(message({ maxDelay: Infinity }), 'ERR_OUT_OF_RANGE')
  t.is(message({ minDelay: 2, maxDelay: 1 }), 'ERR_OUT_OF_RANGE')
  t.is(message({ delay: 1 }), 'ERR_INVALID_ARG_VALUE')
  t.throws(() => connections({} as never), { code: 'ERR_INVALID_ARG_TYPE' })
  const file = `${directory(t)}/file`
  writeFileSync(file, '')
  t.is(await codeOf(connections(`${file}/s`).next()), 'ENOTDIR')
  const listener = await listen(path)
  t.teardown(() => listener.close())
  t.is(await codeOf(connections(path, { peerUid: process.geteuid!() + 1 }).next()), 'ERR_PEER_REFUSED')
})
