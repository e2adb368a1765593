import { spawn } from 'node:child_process'
import { lstatSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect, isUnixListener, listen, type ListenOptions, UnixListener } from '../../index.js'
import {
  atOnce,
  directory,
  eventually,
  everyPlace,
  listening,
  once,
  type Place,
  places,
  receive,
  receiveAll,
} from '../helpers/sockets.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'
import { accepted, connected, failureOf } from './helpers.js'

eachLeavesNoDescriptor(test)

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
