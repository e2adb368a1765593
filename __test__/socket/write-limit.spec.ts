import { randomBytes } from 'node:crypto'
import http from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { connect, type ConnectOptions, FramedSocket, listen, type UnixSocket } from '../../index.js'
import { listening, once, pair, places, receiveAll } from '../helpers/sockets.js'
import { tooMuch, turns } from '../helpers/streams.js'

const code = 'ERR_BACKPRESSURE_LIMIT'
const KiB = 1024
const MiB = 1024 * KiB

/** A pair whose client is limited, and whose kernel buffer is full: everything written from now on is held. */
async function limited(
  t: ExecutionContext,
  options: ConnectOptions,
): Promise<{ client: UnixSocket; server: UnixSocket; sent: Buffer[] }> {
  const listener = await listening(t)
  const [client, server] = await Promise.all([connect(listener.path, options), listener.accept()])
  t.teardown(() => {
    client.destroy()
    server.destroy()
  })
  const sent: Buffer[] = []
  // Raises the send buffer as far as it goes, and ends with next to nothing held.
  while (client.bytesWritten === total(sent)) {
    write(client, sent, 64 * KiB)
    await turns(2)
  }
  return { client, server, sent }
}

const total = (chunks: Buffer[]): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0)

function write(client: UnixSocket, sent: Buffer[], length: number): boolean {
  const chunk = randomBytes(length)
  const more = client.write(chunk)
  sent.push(chunk)
  return more
}

/** What became of a write that the limit is to keep: the code of its error. */
async function refused(attempt: (callback: (error?: Error | null) => void) => unknown): Promise<unknown> {
  const error = await new Promise<unknown>(resolve => attempt(resolve))
  return (error as NodeJS.ErrnoException | null | undefined)?.code
}

/** Writes chunks while the socket may hold them; returns how many bytes it holds then, the sent part of its first chunk included. */
function fillUp(client: UnixSocket, sent: Buffer[], length: number, limit: number): number {
  while (client.writableLength + length <= limit) write(client, sent, length)
  return client.writableLength
}

/** Notes the events of a socket's end. */
function endOf(client: UnixSocket): { events: string[]; closed: Promise<unknown> } {
  const events: string[] = []
  client.on('error', error => events.push(`error ${(error as NodeJS.ErrnoException).code}`))
  client.on('drain', () => events.push('drain'))
  return { events, closed: once(client, 'close') }
}

/** What the peer reads until the end is a beginning of what was sent. */
async function isBeginning(t: ExecutionContext, server: UnixSocket, sent: Buffer[]): Promise<void> {
  const received = await receiveAll(server)
  t.true(received.equals(Buffer.concat(sent).subarray(0, received.length)))
}

for (const length of [1, 100, 8 * KiB, 8 * KiB + 1, 64 * KiB])
  for (const awaited of [true, false])
    test(`a write of ${length} bytes beyond the limit ${awaited ? 'with' : 'without'} a callback destroys the socket`, async t => {
      t.timeout(60_000)
      const options = { highWaterMark: 16 * KiB, writeLimit: 256 * KiB }
      const limit = options.highWaterMark + options.writeLimit
      const { client, server, sent } = await limited(t, options)
      const held = fillUp(client, sent, length, limit)
      t.true(held <= limit && held > limit - length, `${held} of ${limit} bytes held`)
      t.true(client.writableNeedDrain)
      t.false(client.destroyed)
      const { events, closed } = endOf(client)
      const note = (name: string) => (error?: Error | null) =>
        void events.push(`${name} ${(error as NodeJS.ErrnoException | undefined)?.code}`)
      t.false(client.write(randomBytes(length), awaited ? note('write') : undefined))
      t.true(client.destroyed)
      t.deepEqual(events, [], 'no callback and no event runs inside write()')
      t.false(client.write(randomBytes(length), note('later')))
      await closed
      await turns(2)
      const beyond = ['write ERR_BACKPRESSURE_LIMIT', `error ${code}`, 'later ERR_STREAM_DESTROYED']
      t.deepEqual(events, awaited ? beyond : beyond.slice(1))
      await isBeginning(t, server, sent)
    })

test('callbacks of writes before the one beyond the limit get its error', async t => {
  t.timeout(60_000)
  const { client } = await limited(t, { highWaterMark: KiB, writeLimit: 99 * KiB })
  client.on('error', () => {})
  const outcomes: string[] = []
  const note = (name: string) => (error?: Error | null) => {
    outcomes.push(`${name} ${(error as NodeJS.ErrnoException | undefined)?.code ?? 'ok'}`)
  }
  client.write(randomBytes(KiB), note('held'))
  fillUp(client, [], KiB, 100 * KiB)
  client.write(randomBytes(KiB), note('over'))
  await once(client, 'close')
  await turns(2)
  t.deepEqual(outcomes, ['over ERR_BACKPRESSURE_LIMIT', 'held ERR_BACKPRESSURE_LIMIT'])
})

test('an error beyond the limit says what to do', async t => {
  t.timeout(60_000)
  const { client, sent } = await limited(t, { highWaterMark: KiB, writeLimit: 64 * KiB })
  fillUp(client, sent, KiB, 65 * KiB)
  const failed = once<NodeJS.ErrnoException>(client, 'error')
  client.write('a'.repeat(KiB), 'latin1')
  const error = await failed
  t.is(error.code, code)
  t.regex(
    error.message,
    /^The socket holds \d+ unsent bytes, and options.highWaterMark and options.writeLimit together allow 66560; wait for 'drain' when write\(\) or send\(\) returns false$/,
  )
  t.is(client.errored, error)
})

test('corked writes count', async t => {
  t.timeout(60_000)
  const { path } = await listening(t)
  const client = await connect(path, { highWaterMark: KiB, writeLimit: 9 * KiB })
  t.teardown(() => client.destroy())
  const { events, closed } = endOf(client)
  client.cork()
  for (let count = 0; count < 10; count++) client.write(randomBytes(KiB))
  t.is(client.writableLength, 10 * KiB)
  t.is(await refused(done => t.false(client.write('x', done))), code)
  await closed
  t.deepEqual(events, [`error ${code}`])
})

for (const length of [100, 8 * KiB, 30_000])
  test(`frames of ${length} bytes fail whole: the peer reads those that were taken, and no part of another`, async t => {
    t.timeout(60_000)
    const listener = await listening(t)
    const [socket, server] = await Promise.all([
      connect(listener.path, { highWaterMark: 16 * KiB, writeLimit: 100_000 }),
      listener.accept(),
    ])
    const sender = new FramedSocket(socket)
    const receiver = new FramedSocket(server)
    t.teardown(() => {
      sender.destroy()
      receiver.destroy()
    })
    let taken = 0
    const failures: unknown[] = []
    sender.on('error', error => failures.push((error as NodeJS.ErrnoException).code))
    const message = (): Buffer => Buffer.alloc(length, taken % 251)
    // Refused alone, before a byte of it is queued.
    const fill = async (): Promise<void> => {
      const refusals: unknown[] = []
      while (refusals.length === 0) {
        sender.send(message(), error => void (error && refusals.push(error)))
        await turns(1)
        if (refusals.length === 0) taken++
      }
    }
    await fill()
    t.is(await refused(done => t.false(sender.send(message(), done))), code)
    t.false(socket.destroyed)
    const received: Buffer[] = []
    receiver.on('message', payload => received.push(payload))
    await once(sender, 'drain')
    receiver.pause()
    await fill()
    t.deepEqual(failures, [])
    sender.end()
    receiver.resume()
    await once(receiver, 'end')
    t.deepEqual(failures, [])
    t.is(received.length, taken)
    t.true(
      received.every(
        (payload, index) => payload.length === length && payload.every(byte => byte === index % 251),
      ),
    )
  })

test('a frame beyond the limit without a callback destroys the socket', async t => {
  t.timeout(60_000)
  const { client } = await limited(t, { highWaterMark: KiB, writeLimit: 4 * KiB })
  fillUp(client, [], KiB, 5 * KiB)
  const sender = new FramedSocket(client)
  const failed = once<NodeJS.ErrnoException>(sender, 'error')
  t.false(sender.send(randomBytes(KiB)))
  t.is((await failed).code, code)
  t.true(client.destroyed)
})

for (const last of [randomBytes(KiB), 'x'.repeat(KiB)])
  test(`end(${typeof last}) beyond the limit destroys the socket`, async t => {
    t.timeout(60_000)
    const { client, server, sent } = await limited(t, { highWaterMark: KiB, writeLimit: 64 * KiB })
    fillUp(client, sent, KiB, 65 * KiB)
    const { events, closed } = endOf(client)
    t.is(await refused(done => client.end(last, done)), code)
    await closed
    t.deepEqual(events, [`error ${code}`])
    await isBeginning(t, server, sent)
  })

test("a writer that waits for 'drain' writes chunks of any length, whatever the limit", async t => {
  t.timeout(60_000)
  for (const writeLimit of [0, 1, undefined]) {
    const { client, server, sent } = await limited(t, { highWaterMark: 1, writeLimit })
    const receiving = receiveAll(server)
    for (const length of [tooMuch, 1, 100, 64 * KiB, tooMuch, 1]) {
      if (client.writableNeedDrain) await once(client, 'drain')
      write(client, sent, length)
    }
    if (client.writableNeedDrain) await once(client, 'drain')
    const last = randomBytes(tooMuch)
    sent.push(last)
    client.end(last)
    t.true((await receiving).equals(Buffer.concat(sent)))
  }
})

test('a single end() of 64 MiB works by default; the next write before drain does not', async t => {
  t.timeout(60_000)
  const chunk = Buffer.alloc(64 * MiB, 'large')
  for (const withHead of [false, true]) {
    const { client, server } = await pair(t)
    if (withHead) client.write('head')
    client.end(chunk)
    const received = await receiveAll(server)
    t.true(received.subarray(withHead ? 4 : 0).equals(chunk))
  }
  const { client } = await pair(t)
  client.on('error', () => {})
  client.write(chunk)
  t.is(await refused(done => t.false(client.write('x', done))), code)
})

test('by default 16 MiB over the high-water mark are held, on accepted sockets as well', async t => {
  t.timeout(60_000)
  const { client, server } = await pair(t)
  for (const socket of [client, server]) {
    socket.on('error', () => {})
    let held = 0
    for (let count = 0; count < 512; count++) {
      socket.write(Buffer.alloc(64 * KiB))
      if (socket.destroyed) break
      held = socket.writableLength
    }
    t.true(held <= 16 * MiB + 64 * KiB && held > 16 * MiB, `${held} bytes held`)
  }
})

test("the listener's writeLimit is that of its sockets; Infinity is none", async t => {
  t.timeout(60_000)
  const { server } = await pair(t, 'path', { writeLimit: 10, highWaterMark: 10 })
  server.on('error', () => {})
  server.write(Buffer.alloc(tooMuch))
  t.is(await refused(done => t.false(server.write('x', done))), code)
  const { server: free } = await pair(t, 'path', { writeLimit: Infinity })
  for (let count = 0; count < 40; count++) free.write(Buffer.alloc(MiB))
  t.true(free.writableLength > 16 * MiB + 64 * KiB)
})

test('writeLimit refuses what is no number of bytes, before any system call', async t => {
  const path = places.path(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' } as const
  const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' } as const
  for (const [writeLimit, error] of [
    [null, type],
    ['1', type],
    [1n, type],
    [-1, range],
    [0.5, range],
    [NaN, range],
    [-Infinity, range],
    [2 ** 53, range],
  ] as [unknown, object][]) {
    await t.throwsAsync(connect(path, { writeLimit } as never), error, String(writeLimit))
    await t.throwsAsync(listen(path, { writeLimit } as never), error, String(writeLimit))
  }
})

test('a write after the end, or of what is no chunk, fails as ever beyond the limit', async t => {
  t.timeout(60_000)
  const { client, sent } = await limited(t, { highWaterMark: KiB, writeLimit: KiB })
  fillUp(client, sent, 100, 2 * KiB)
  t.throws(() => client.write(1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  client.end()
  const failed = once<NodeJS.ErrnoException>(client, 'error')
  client.write('x')
  t.is((await failed).code, 'ERR_STREAM_WRITE_AFTER_END')
})

test('a broadcast reaches the other peers, and closes the one that does not read', async t => {
  t.timeout(60_000)
  const stuck = await limited(t, { highWaterMark: KiB, writeLimit: KiB })
  const { client, server } = await pair(t)
  fillUp(stuck.client, stuck.sent, 100, 2 * KiB)
  const { events, closed } = endOf(stuck.client)
  const message = randomBytes(KiB)
  for (const socket of [stuck.client, client, stuck.client]) socket.write(message)
  client.end()
  t.true((await receiveAll(server)).equals(message))
  await closed
  t.deepEqual(events, [`error ${code}`])
})

test('a loop over a socket that writes beyond the limit throws the error', async t => {
  t.timeout(60_000)
  const { client } = await limited(t, { highWaterMark: KiB, writeLimit: KiB })
  const iterating = (async () => {
    for await (const chunk of client) t.fail(`${String(chunk)} came`)
  })()
  for (let count = 0; count < 10; count++) client.write(randomBytes(64 * KiB))
  await t.throwsAsync(iterating, { code })
  t.true(client.destroyed)
})

test('node:http closes the connection of a client that does not read, and serves the others', async t => {
  t.timeout(60_000)
  const server = http.createServer((request, response) => {
    if (request.url === '/') response.end('fine')
    // Heedless.
    else for (let count = 0; count < 1000; count++) response.write('x'.repeat(64 * KiB))
  })
  const listener = await listening(t, 'path', { backlog: 16 })
  const accepting = (async () => {
    for await (const socket of listener) server.emit('connection', socket)
  })()
  const stuck = await connect(listener.path)
  stuck.on('error', () => {})
  const closed = once(server, 'connection').then(socket => once(socket as UnixSocket, 'close'))
  stuck.write('GET /much HTTP/1.1\r\nHost: here\r\n\r\n')
  await closed
  const client = await connect(listener.path)
  client.end('GET / HTTP/1.0\r\n\r\n')
  t.true(String(await receiveAll(client)).endsWith('fine'))
  client.destroy()
  stuck.destroy()
  await listener.close()
  await accepting
})
