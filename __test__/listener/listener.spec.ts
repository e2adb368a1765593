import { spawn } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  connect,
  isUnixListener,
  listen,
  type ListenOptions,
  UnixListener,
  type UnixSocket,
} from '../../index.js'
import {
  atOnce,
  directory,
  eventually,
  everyPlace,
  listening,
  once,
  pair,
  type Place,
  places,
  receive,
  receiveAll,
} from '../helpers/sockets.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'
import { countedSignal } from '../helpers/signals.js'

eachLeavesNoDescriptor(test)

function connected(t: ExecutionContext, listener: UnixListener): Promise<UnixSocket> {
  return connect(listener.path).then(socket => {
    t.teardown(() => socket.destroy())
    return socket
  })
}

async function accepted(t: ExecutionContext, listener: UnixListener): Promise<UnixSocket> {
  const socket = await listener.accept()
  t.teardown(() => socket.destroy())
  return socket
}

/** Returns the system call and the code of the error with which `promise` rejects. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'no error',
    ({ syscall, code }: NodeJS.ErrnoException) => `${syscall} ${code}`,
  )
}

function filesOf(listener: UnixListener): string[] {
  return typeof listener.path === 'string' ? readdirSync(dirname(listener.path)) : []
}

for (const place of everyPlace) {
  test.serial(`a conversation as racket/unix-socket has it (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const ready: string[] = []
    const waiting = listener.ready().then(() => ready.push('ready'))
    t.is(await atOnce(waiting), 'pending')

    const client = await connected(t, listener)
    await waiting
    await listener.ready()
    await listener.ready()
    const server = await accepted(t, listener)
    t.is(await atOnce(listener.ready()), 'pending')

    for (let round = 0; round < 20; round++) {
      const question = Buffer.alloc(round * 997 + 1, round)
      client.write(question)
      t.true(question.equals(await receive(server, question.length)))
      const answer = Buffer.alloc(round * 1009 + 1, 255 - round)
      server.write(answer)
      t.true(answer.equals(await receive(client, answer.length)))
    }
    t.is(client.bytesWritten, server.bytesRead)
    t.is(server.bytesWritten, client.bytesRead)

    client.end()
    t.is((await receiveAll(server)).length, 0)
    t.true(server.readableEnded)
    t.false(server.writableEnded)
    server.write('still here')
    t.is(String(await receive(client, 10)), 'still here')
    const closes: string[] = []
    client.on('close', () => closes.push('client'))
    server.on('close', () => closes.push('server'))
    server.end('bye')
    t.is(String(await receiveAll(client)), 'bye')
    await eventually('both are closed', () => client.closed && server.closed)
    await new Promise(setImmediate)
    t.deepEqual(closes.toSorted(), ['client', 'server'])
    t.deepEqual([client.errored, server.errored], [null, null])

    await listener.close()
    if (typeof listener.path === 'string') {
      t.true(lstatSync(listener.path).isSocket())
      rmSync(listener.path)
    }
  })

  test.serial(`connect succeeds before any accept, and what it sends waits (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const client = await connected(t, listener)
    client.end('early')
    await once(client, 'finish')
    const server = await accepted(t, listener)
    t.is(String(await receiveAll(server)), 'early')
  })

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

  test.serial(`a listened place is in use (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const error = await t.throwsAsync<NodeJS.ErrnoException & { address: string }>(listen(listener.path), {
      code: 'EADDRINUSE',
    })
    t.is(error?.errno, -98)
    t.is(error?.syscall, 'listen')
    const { path } = listener
    t.is(
      error?.address,
      typeof path === 'string' ? path : `@${Buffer.from(path as Uint8Array).toString('utf8', 1)}`,
    )
    // Nothing happened to the first.
    const client = await connected(t, listener)
    client.end('first')
    t.is(String(await receiveAll(await accepted(t, listener))), 'first')
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

  test.serial(`concurrent accepts are served first come, first served (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 16 })
    const order: number[] = []
    const accepts = Array.from({ length: 10 }, async (_, turn) => {
      const server = await listener.accept()
      order.push(turn)
      const number = Number(await receiveAll(server))
      server.destroy()
      return number
    })
    for (let number = 0; number < 10; number++) (await connected(t, listener)).end(String(number))
    t.deepEqual(await Promise.all(accepts), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    t.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test.serial(`an accept that was aborted gives up its place alone (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const controller = new AbortController()
    const first = accepted(t, listener)
    const second = listener.accept({ signal: controller.signal })
    const third = accepted(t, listener)
    controller.abort()
    t.is(await atOnce(second), 'ABORT_ERR')
    for (const number of ['0', '1']) (await connected(t, listener)).end(number)
    t.is(String(await receiveAll(await first)), '0')
    t.is(String(await receiveAll(await third)), '1')
  })

  test.serial(`ready() waits behind accepts that wait (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const accepts = [accepted(t, listener), accepted(t, listener)]
    const ready = listener.ready()
    await connected(t, listener)
    await accepts[0]
    t.is(await atOnce(ready), 'pending', 'the connection was not for the taking')
    await connected(t, listener)
    await accepts[1]
    t.is(await atOnce(ready), 'pending')
    await connected(t, listener)
    await ready
    await accepted(t, listener)
  })

  test.serial(`ready() ignores a connection that a waiting accept is about to take (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const accept = accepted(t, listener)
    // It is in the kernel's queue when the call returns, and the event loop has not looked yet.
    const connecting = connected(t, listener)
    const ready = listener.ready()
    await Promise.all([accept, connecting])
    t.is(await atOnce(ready), 'pending')
    await connected(t, listener)
    await ready
    await accepted(t, listener)
  })

  test.serial(`one connection resolves every ready() that waits (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const controller = new AbortController()
    const aborted = listener.ready({ signal: controller.signal })
    const waits = [listener.ready(), listener.ready(), listener.ready()]
    controller.abort()
    t.is(await atOnce(aborted), 'ABORT_ERR')
    await connected(t, listener)
    await Promise.all(waits)
    await listener.ready()
    await accepted(t, listener)
    t.is(await atOnce(listener.ready()), 'pending')
  })

  for (const backlog of [0, 1, 4]) {
    test.serial(
      `a backlog of ${backlog} lets ${backlog + 1} connect before an accept (${place})`,
      async t => {
        t.timeout(30_000)
        const listener = await listening(t, place, backlog === 4 ? {} : { backlog })
        // Linux admits one more than the backlog.
        for (let count = 0; count <= backlog; count++) await connected(t, listener)
        await t.throwsAsync(connect(listener.path, { timeout: 0 }), { code: 'ETIMEDOUT' })
        await accepted(t, listener)
        await connected(t, listener)
        await t.throwsAsync(connect(listener.path, { timeout: 0 }), { code: 'ETIMEDOUT' })
      },
    )
  }

  test.serial(`the largest backlog is taken (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 2 ** 31 - 1 })
    for (let count = 0; count < 100; count++) await connected(t, listener)
    const client = await connected(t, listener)
    client.end('101')
    for (let count = 0; count < 100; count++) await accepted(t, listener)
    t.is(String(await receiveAll(await accepted(t, listener))), '101')
  })

  test.serial(`options that listen() cannot mean are refused and nothing is made (${place})`, async t => {
    t.timeout(30_000)
    const path = places[place](t)
    const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' } as const
    const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' } as const
    const value = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE' } as const
    for (const backlog of [-1, 0.5, 2 ** 31, NaN, Infinity, -Infinity])
      await t.throwsAsync(listen(path, { backlog }), range, `backlog ${backlog}`)
    for (const maxConnections of [0, -1, 0.5, 2 ** 31, NaN, Infinity])
      await t.throwsAsync(listen(path, { maxConnections }), range, `maxConnections ${maxConnections}`)
    for (const backlog of ['4', null, 4n, true, {}])
      await t.throwsAsync(
        listen(path, { backlog } as unknown as ListenOptions),
        type,
        `backlog ${typeof backlog}`,
      )
    for (const highWaterMark of [-1, 0.5, NaN])
      await t.throwsAsync(listen(path, { highWaterMark }), range, `highWaterMark ${highWaterMark}`)
    for (const options of [null, 1, 'backlog', () => {}])
      await t.throwsAsync(listen(path, options as unknown as ListenOptions), type, String(options))
    for (const signal of [null, {}, 'abort', new AbortController()])
      await t.throwsAsync(
        listen(path, { signal } as unknown as ListenOptions),
        type,
        `signal ${String(signal)}`,
      )
    for (const name of ['allowHalfOpen', 'unlinkOnClose', 'onExisting', 'mode', 'maxConnections', 'overflow'])
      for (const wish of [null, Symbol('wish')])
        await t.throwsAsync(listen(path, { [name]: wish } as unknown as ListenOptions), type, name)
    for (const [name, wish] of Object.entries({
      onExisting: 'replace',
      overflow: 'drop',
    }))
      await t.throwsAsync(listen(path, { [name]: wish }), value, name)
    await t.throwsAsync(listen(path, { maxConnections: 1, overflow: 'block' as never }), value)
    if (typeof path === 'string') t.deepEqual(readdirSync(dirname(path)), [])
    await t.throwsAsync(connect(path), { code: typeof path === 'string' ? 'ENOENT' : 'ECONNREFUSED' })
    // Undefined is the default of each.
    const listener = await listen(path, { backlog: undefined, signal: undefined, highWaterMark: undefined })
    await listener.close()
  })

  test.serial(`accept() and ready() refuse what is no option (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    for (const options of [null, 1, { signal: {} }, { signal: null }, { signal: 'abort' }]) {
      const code = 'ERR_INVALID_ARG_TYPE'
      await t.throwsAsync(listener.accept(options as never), { instanceOf: TypeError, code })
      await t.throwsAsync(listener.ready(options as never), { instanceOf: TypeError, code })
    }
    // What was refused does not wait for a connection.
    const client = await connected(t, listener)
    client.end('mine')
    t.is(String(await receiveAll(await accepted(t, listener))), 'mine')
  })

  test.serial(
    `the path is what listen() was given, and cannot be changed from outside (${place})`,
    async t => {
      t.timeout(30_000)
      const path = places[place](t)
      const given = typeof path === 'string' ? path : Uint8Array.from(path)
      const listener = await listen(given)
      t.teardown(() => listener.close())
      if (given instanceof Uint8Array) given.fill(1)
      t.deepEqual(listener.path, path)
      const client = await connected(t, listener)
      const server = await accepted(t, listener)
      t.deepEqual([client.remotePath, client.localPath], [path, undefined])
      t.deepEqual([server.remotePath, server.localPath], [undefined, path])
    },
  )

  test.serial(`an open listener keeps the process alive until close or unref (${place})`, async t => {
    t.timeout(60_000)
    t.deepEqual(await runs(t, place, 'close'), { code: 0, said: ['listening', 'closed'] })
    t.deepEqual(await runs(t, place, 'unref'), { code: 0, said: ['listening', 'unref'] })
    t.deepEqual(await runs(t, place, 'unref-accept'), { code: 0, said: ['listening', 'unref'] })
    t.deepEqual(await runs(t, place, 'ref'), { code: 0, said: ['listening', 'accepted'] })
  })
}

test.serial('a listener cannot be constructed, and is known by its brand', async t => {
  t.timeout(30_000)
  const listener = await listening(t)
  const Constructor = UnixListener as unknown as new (value?: unknown) => unknown
  t.throws(() => new Constructor(), { instanceOf: TypeError, code: 'ERR_ILLEGAL_CONSTRUCTOR' })
  t.throws(() => new Constructor({}), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
  t.true(isUnixListener(listener))
  await listener.close()
  t.true(isUnixListener(listener))
  for (const value of [undefined, null, 1, 'x', {}, [], () => {}, UnixListener])
    t.false(isUnixListener(value))
  const throwing = new Proxy(
    {},
    {
      get: () => {
        throw new Error('never heard')
      },
    },
  )
  t.false(isUnixListener(throwing))
})

test.serial('a listener changes nothing in its directory but its own file', async t => {
  t.timeout(30_000)
  const listener = await listening(t)
  t.deepEqual(filesOf(listener), ['s'])
  await listener.close()
  t.deepEqual(filesOf(listener), ['s'])
})

test.serial('what stands at a path is in use, whatever it is, and is left alone', async t => {
  t.timeout(30_000)
  const folder = directory(t)
  t.is(await failureOf(listen(folder)), 'listen EADDRINUSE')
  t.is(await failureOf(listen(join(folder, 'none', 's'))), 'listen ENOENT')
  // An abort does not take away what another call has.
  const listener = await listening(t)
  const controller = new AbortController()
  const second = listen(listener.path, { signal: controller.signal })
  controller.abort()
  t.true(
    ['ABORT_ERR', 'EADDRINUSE'].includes(
      (await second.catch((error: NodeJS.ErrnoException) => error.code)) as string,
    ),
  )
  t.deepEqual(filesOf(listener), ['s'])
  const client = await connected(t, listener)
  client.end('unharmed')
  t.is(String(await receiveAll(await accepted(t, listener))), 'unharmed')
})

/** Runs listener-life.js, whose first client decides what its listener does. */
async function runs(
  t: ExecutionContext,
  place: Place,
  what: string,
): Promise<{ code: number | null; said: string[] }> {
  const path = places[place](t)
  const program = join(import.meta.dirname, '../programs', 'listener-life.js')
  const address = argument(path)
  const child = spawn(process.execPath, [program, address, what], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    // It lives until a client comes, so this client finds it.
    if (what !== 'close' && what !== 'ref') return
    if (said === 'listening\n') connect(path).then(socket => socket.destroy(), t.fail)
  })
  const code = await ended
  return { code, said: said.trim().split('\n') }
}
