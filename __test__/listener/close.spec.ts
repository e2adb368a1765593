import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import test from 'ava'
import { connect, isUnixListener, listen } from '../../index.js'
import {
  atOnce,
  eventually,
  everyPlace,
  listening,
  once,
  pair,
  places,
  receive,
  receiveAll,
} from '../helpers/sockets.js'
import { countedSignal } from '../helpers/signals.js'
import { eachLeavesNoDescriptor } from '../helpers/streams.js'
import { accepted, connected, failureOf } from './helpers.js'

eachLeavesNoDescriptor(test)

for (const place of everyPlace) {
  test.serial(`close rejects waiting accepts at once (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const accepts = [listener.accept(), listener.accept({ signal: new AbortController().signal })]
    void listener.close()
    for (const accept of accepts) t.is(await atOnce(accept), 'ERR_LISTENER_CLOSED')
  })

  test.serial(`close resolves waiting ready() calls at once (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const waits = [listener.ready(), listener.ready({ signal: new AbortController().signal })]
    void listener.close()
    for (const wait of waits) t.is(await atOnce(wait), 'resolved')
  })

  test.serial(`close is idempotent and emits 'close' once (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const closed: boolean[] = []
    listener.on('close', () => closed.push(listener.closed))
    t.false(listener.closed)
    const first = listener.close()
    t.true(listener.closed)
    t.deepEqual(closed, [], 'never from inside the call')
    await Promise.all([first, listener.close()])
    await listener.close()
    await listener[Symbol.asyncDispose]()
    await new Promise(setImmediate)
    t.deepEqual(closed, [true])
  })

  test.serial(`accepted connections live on after close (${place})`, async t => {
    t.timeout(30_000)
    const { client, server, listener } = await pair(t, place)
    await listener.close()
    client.write('ping')
    t.is(String(await receive(server, 4)), 'ping')
    server.end('pong')
    t.is(String(await receiveAll(client)), 'pong')
  })

  test.serial(`after close accept rejects and ready resolves (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    await listener.close()
    await t.throwsAsync(listener.accept(), { code: 'ERR_LISTENER_CLOSED' })
    t.is(await atOnce(listener.ready()), 'resolved')
    await t.throwsAsync(listener.accept({ signal: AbortSignal.abort() }), { code: 'ABORT_ERR' })
    await t.throwsAsync(listener.ready({ signal: AbortSignal.abort() }), { code: 'ABORT_ERR' })
  })

  test.serial(`a closed listener refuses, its file stays, and the name is free again (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    await listener.close()
    t.is(await failureOf(connect(listener.path)), 'connect ECONNREFUSED')
    if (typeof listener.path === 'string') {
      t.is(await failureOf(listen(listener.path)), 'listen EADDRINUSE')
      rmSync(listener.path)
    }
    const next = await listen(listener.path)
    t.teardown(() => next.close())
    const client = await connected(t, next)
    client.end('next')
    t.is(String(await receiveAll(await accepted(t, next))), 'next')
  })

  test.serial(`connections that wait in the kernel are closed with their listener (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const client = await connected(t, listener)
    const ended = receiveAll(client).then(String, (error: NodeJS.ErrnoException) => error.code)
    await listener.close()
    t.true(['', 'ECONNRESET'].includes((await ended) ?? '?'))
  })

  test.serial(`await using closes the listener (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listen(places[place](t))
    const closed = once(listener, 'close')
    t.is(await atOnce(listener[Symbol.asyncDispose]()), 'resolved')
    t.true(listener.closed)
    await closed
    await t.throwsAsync(connect(listener.path), { code: 'ECONNREFUSED' })
  })

  test.serial(`iteration hands out every connection in order, and ends with close (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const greetings: string[] = []
    const iterating = (async () => {
      for await (const server of listener) {
        greetings.push(String(await receiveAll(server)))
        server.destroy()
      }
      return 'ended'
    })()
    for (let number = 0; number < 5; number++) {
      const client = await connected(t, listener)
      client.end(`client ${number}`)
      await eventually(`client ${number} was served`, () => greetings.length === number + 1)
    }
    await listener.close()
    t.is(await atOnce(iterating), 'resolved')
    t.is(await iterating, 'ended')
    t.deepEqual(greetings, ['client 0', 'client 1', 'client 2', 'client 3', 'client 4'])
  })

  test.serial(`leaving the loop closes the listener (${place})`, async t => {
    t.timeout(30_000)
    for (const how of ['break', 'throw'] as const) {
      const listener = await listening(t, place)
      const client = await connected(t, listener)
      const looping = async (): Promise<void> => {
        for await (const server of listener) {
          t.teardown(() => server.destroy())
          if (how === 'break') break
          throw new Error('left')
        }
      }
      if (how === 'break') await looping()
      else await t.throwsAsync(looping, { message: 'left' })
      t.true(listener.closed)
      t.false(client.destroyed, 'the accepted connection lives on')
      await t.throwsAsync(connect(listener.path), { code: 'ECONNREFUSED' })
    }
  })

  test.serial(`return() ends a next() that waits (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const iterator = listener[Symbol.asyncIterator]()
    const next = iterator.next()
    t.is(await atOnce(next), 'pending')
    t.deepEqual(await iterator.return?.(), { done: true, value: undefined })
    t.deepEqual(await next, { done: true, value: undefined })
    t.true(listener.closed)
    t.deepEqual(await iterator.next(), { done: true, value: undefined })
  })

  test.serial(`several iterations share the connections, each has one taker (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const taken: number[][] = [[], []]
    const loops = taken.map(async mine => {
      for await (const server of listener) {
        mine.push(Number(await receiveAll(server)))
        server.destroy()
      }
    })
    for (let number = 0; number < 20; number++) (await connected(t, listener)).end(String(number))
    await eventually('20 are served', () => taken.flat().length === 20)
    await listener.close()
    await Promise.all(loops)
    t.deepEqual(
      taken.flat().toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, number) => number),
    )
  })

  test.serial(`the signal of listen() closes the listener (${place})`, async t => {
    t.timeout(30_000)
    const controller = new AbortController()
    const listener = await listening(t, place, { signal: controller.signal })
    const closed = once(listener, 'close')
    const accept = listener.accept()
    const ready = listener.ready()
    const iteration = listener[Symbol.asyncIterator]().next()
    controller.abort()
    t.is(await atOnce(accept), 'ERR_LISTENER_CLOSED')
    t.is(await atOnce(ready), 'resolved')
    t.deepEqual(await iteration, { done: true, value: undefined })
    t.true(listener.closed)
    await closed
    await t.throwsAsync(connect(listener.path), { code: 'ECONNREFUSED' })
  })

  test.serial(`a closed listener lets go of its signal (${place})`, async t => {
    t.timeout(30_000)
    const { controller, signal, listeners } = countedSignal()
    const listener = await listening(t, place, { signal })
    const accept = listener.accept({ signal })
    const ready = listener.ready({ signal })
    t.is(listeners(), 3)
    void listener.close()
    await t.throwsAsync(accept, { code: 'ERR_LISTENER_CLOSED' })
    await ready
    await new Promise(setImmediate)
    t.is(listeners(), 0)
    controller.abort()
  })

  test.serial(`listen() with an aborted signal makes nothing (${place})`, async t => {
    t.timeout(30_000)
    const path = places[place](t)
    const reason = new Error('enough')
    const error = await t.throwsAsync(listen(path, { signal: AbortSignal.abort(reason) }), {
      name: 'AbortError',
      code: 'ABORT_ERR',
    })
    t.is(error?.cause, reason)
    if (typeof path === 'string') t.false(existsSync(path))
    await t.throwsAsync(connect(path), { code: typeof path === 'string' ? 'ENOENT' : 'ECONNREFUSED' })
  })

  test.serial(`an abort while listen() is at work leaves no listener and no file (${place})`, async t => {
    t.timeout(30_000)
    for (const moment of [process.nextTick, queueMicrotask, setImmediate, (abort: () => void) => abort()]) {
      const path = places[place](t)
      const controller = new AbortController()
      const listener = listen(path, { signal: controller.signal })
      moment(() => controller.abort())
      const outcome = await listener.then(
        made => made,
        (error: NodeJS.ErrnoException) => error.code,
      )
      // The last of the moments may come too late for that, and then it closes the listener.
      if (isUnixListener(outcome)) {
        await eventually('the listener is closed', () => outcome.closed)
      } else {
        t.is(outcome, 'ABORT_ERR')
        if (typeof path === 'string') t.deepEqual(readdirSync(dirname(path)), [])
        await t.throwsAsync(connect(path), { code: typeof path === 'string' ? 'ENOENT' : 'ECONNREFUSED' })
      }
    }
  })
}
