import test from 'ava'
import { connect, type ConnectOptions, type UnixSocket } from '../../index.js'
import { descriptors, everyPlace, listening, receive, receiveAll, sleep } from '../helpers/sockets.js'
import { eachLeavesNoDescriptor } from '../helpers/streams.js'
import { introduce, next, warmUp } from './helpers.js'

eachLeavesNoDescriptor(test, warmUp)

for (const place of everyPlace) {
  test.serial(`2,000 connects in one tick all succeed, in order, with a backlog of 4 (${place})`, async t => {
    t.timeout(110_000)
    const listener = await listening(t, place)
    const count = 2000
    const names = Array.from({ length: count }, (_, number) => String(number))
    const clients = names.map(name => introduce(listener, name))
    await sleep(200)
    const accepted: string[] = []
    for await (const server of listener) {
      accepted.push(String(await receiveAll(server)))
      server.destroy()
      if (accepted.length === count) break
    }
    t.deepEqual(await Promise.all(clients), names)
    t.deepEqual(accepted, names)
  })

  test.serial(`2,000 connects in one tick are all open at once (${place})`, async t => {
    t.timeout(110_000)
    const listener = await listening(t, place)
    const count = 2000
    const connecting = Promise.all(Array.from({ length: count }, () => connect(listener.path)))
    await sleep(200)
    const servers: UnixSocket[] = []
    while (servers.length < count) servers.push(await listener.accept())
    const clients = await connecting
    t.teardown(() => {
      for (const socket of [...clients, ...servers]) socket.destroy()
    })
    clients.forEach((client, number) => client.write(`client ${number}`.padEnd(16)))
    const heard = await Promise.all(servers.map(async server => String(await receive(server, 16)).trim()))
    t.deepEqual(
      heard,
      clients.map((_, number) => `client ${number}`),
    )
    t.true(clients.every(client => client.bytesWritten === 16))
  })

  test.serial(`an abort in the tick of connect() is an abort, whatever becomes of it (${place})`, async t => {
    const listener = await listening(t, place)
    const aborts = { 'at once': (abort: () => void) => abort(), 'in a tick': process.nextTick }
    const paths = { connected: listener.path, missing: '/none/s' }
    const held = descriptors()
    for (const abortSoon of Object.values(aborts))
      for (const path of Object.values(paths)) {
        const controller = new AbortController()
        const connecting = connect(path, { signal: controller.signal })
        abortSoon(() => controller.abort('enough'))
        const error = await t.throwsAsync(connecting, { name: 'AbortError', code: 'ABORT_ERR' })
        t.is(error?.cause, 'enough')
      }
    t.is(descriptors(), held)
  })

  test.serial(`connect() with an aborted signal does not connect (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    await t.throwsAsync(connect(listener.path, { signal: AbortSignal.abort() }), { code: 'ABORT_ERR' })
    const second = introduce(listener, 'second')
    t.is(await next(listener), 'second')
    await second
  })

  test.serial(`invalid options of connect() are refused, and no connection is made (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const { path } = listener
    const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' } as const
    const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' } as const
    for (const timeout of [-1, NaN, -Infinity]) await t.throwsAsync(connect(path, { timeout }), range)
    for (const timeout of ['1', null, 1n, true])
      await t.throwsAsync(connect(path, { timeout } as unknown as ConnectOptions), type)
    for (const highWaterMark of [-1, 0.5, NaN])
      await t.throwsAsync(connect(path, { highWaterMark }), range, `highWaterMark ${highWaterMark}`)
    for (const options of [null, 1, 'timeout', () => {}])
      await t.throwsAsync(connect(path, options as unknown as ConnectOptions), type)
    for (const signal of [null, {}, 'abort', new AbortController()])
      await t.throwsAsync(connect(path, { signal } as unknown as ConnectOptions), type)
    await t.throwsAsync(connect(path, { allowHalfOpen: 'yes' } as unknown as ConnectOptions), type)
    const mine = introduce(listener, 'mine', {
      timeout: Infinity,
      signal: undefined,
      highWaterMark: undefined,
    })
    t.is(await next(listener), 'mine')
    t.is(await mine, 'mine')
    t.is(await introduce(listener, 'fraction', { timeout: 0.5 }), 'fraction')
    t.is(await introduce(listener, 'age', { timeout: Number.MAX_VALUE }), 'age')
    t.is(await next(listener), 'fraction')
    t.is(await next(listener), 'age')
  })
}
