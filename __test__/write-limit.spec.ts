import { randomBytes } from 'node:crypto'
import http from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { connect, type ConnectOptions, FramedSocket, listen, type UnixSocket } from '../index.js'
import { listening, once, pair, places, receiveAll } from './helpers.js'
import { tooMuch, turns } from './socket-helpers.js'

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

/** Writes until it is too much; how many bytes are held then. */
async function overfill(client: UnixSocket, sent: Buffer[], length: number): Promise<number> {
  for (;;) {
    const chunk = randomBytes(length)
    const before = client.writableLength
    let failed = false
    client.write(chunk, error => {
      failed = (error as NodeJS.ErrnoException | null | undefined)?.code === code
    })
    // What is held is counted at once.
    if (client.writableLength === before + length) {
      sent.push(chunk)
      continue
    }
    await turns(1)
    if (!failed) throw new Error('a write neither counts nor fails')
    return total(sent) - client.bytesWritten
  }
}

/** What the peer reads until the end is exactly what was sent. */
async function arrives(t: ExecutionContext, client: UnixSocket, server: UnixSocket, sent: Buffer[]) {
  const [received] = await Promise.all([receiveAll(server), once(client, 'finish')])
  t.is(received.length, total(sent))
  t.true(received.equals(Buffer.concat(sent)))
}

for (const length of [1, 100, 8 * KiB, 8 * KiB + 1, 64 * KiB])
  test(`writes of ${length} bytes to a peer that does not read fail at the limit, and the socket goes on`, async t => {
    t.timeout(60_000)
    const options = { highWaterMark: 16 * KiB, writeLimit: 256 * KiB }
    const { client, server, sent } = await limited(t, options)
    const held = await overfill(client, sent, length)
    const limit = options.highWaterMark + options.writeLimit
    t.true(held <= limit && held > limit - length, `${held} of ${limit} bytes held`)
    t.true(client.writableNeedDrain)
    t.false(client.destroyed)
    t.true(client.writable)
    // It goes on failing, and holds no more for it.
    for (let round = 0; round < 100; round++)
      t.is(await refused(done => t.false(client.write(randomBytes(length), done))), code)
    t.is(total(sent) - client.bytesWritten, held)
    const drained = once(client, 'drain')
    const receiving = receiveAll(server)
    await drained
    t.is(client.writableLength, 0)
    t.false(client.writableNeedDrain)
    write(client, sent, length)
    client.end()
    const received = await receiving
    t.true(received.equals(Buffer.concat(sent)))
  })

test("the callback of a write beyond the limit gets the error, in a later tick; without one it is an 'error'", async t => {
  t.timeout(60_000)
  const { client, server, sent } = await limited(t, { highWaterMark: KiB, writeLimit: 64 * KiB })
  await overfill(client, sent, KiB)
  const errors: unknown[] = []
  const done = new Promise<void>(resolve => {
    t.false(client.write(randomBytes(KiB), error => errors.push(error)))
    t.false(client.write('a'.repeat(KiB), 'latin1', error => errors.push(error)))
    t.false(
      client.write(new Uint8Array(KiB), undefined, error => {
        errors.push(error)
        resolve()
      }),
    )
  })
  t.is(errors.length, 0)
  await done
  t.deepEqual(
    errors.map(error => (error as NodeJS.ErrnoException).code),
    [code, code, code],
  )
  const heard: NodeJS.ErrnoException[] = []
  client.on('error', error => heard.push(error))
  for (let round = 1; round <= 3; round++) {
    t.false(client.write(randomBytes(KiB)))
    t.is(heard.length, round - 1)
    await turns(1)
    t.is(heard.length, round)
  }
  t.is(heard[0]!.code, code)
  t.regex(
    heard[0]!.message,
    /^Nothing was written: the socket holds \d+ unsent bytes and may hold 66560; wait for 'drain'/,
  )
  t.false(client.destroyed)
  t.is(client.errored, null)
  client.end()
  await arrives(t, client, server, sent)
})

test('callbacks of writes before and after a failed one are called as ever, in order', async t => {
  t.timeout(60_000)
  const { client, server, sent } = await limited(t, { highWaterMark: KiB, writeLimit: 4 * KiB })
  const outcomes: string[] = []
  const note = (name: string) => (error?: Error | null) => {
    outcomes.push(`${name} ${(error as NodeJS.ErrnoException | undefined)?.code ?? 'ok'}`)
  }
  await overfill(client, sent, KiB)
  client.write(randomBytes(KiB), note('over'))
  const receiving = receiveAll(server)
  await once(client, 'drain')
  const chunk = randomBytes(100)
  sent.push(chunk)
  await new Promise<void>(resolve => {
    client.write(chunk, error => {
      note('after')(error)
      resolve()
    })
  })
  t.deepEqual(outcomes, ['over ERR_BACKPRESSURE_LIMIT', 'after ok'])
  client.end()
  t.true((await receiving).equals(Buffer.concat(sent)))
})

test('corked writes count', async t => {
  t.timeout(60_000)
  const { client, server } = await pair(t)
  const limitedClient = await connect((await listening(t)).path, { highWaterMark: KiB, writeLimit: 9 * KiB })
  t.teardown(() => limitedClient.destroy())
  limitedClient.cork()
  for (let count = 0; count < 10; count++) limitedClient.write(randomBytes(KiB))
  t.is(await refused(done => t.false(limitedClient.write('x', done))), code)
  t.is(limitedClient.writableLength, 10 * KiB)
  limitedClient.uncork()
  // The kernel has all of it.
  await once(limitedClient, 'drain')
  t.is(limitedClient.bytesWritten, 10 * KiB)
  t.true(limitedClient.write('x'))
  client.destroy()
  server.destroy()
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
    const fillUp = async (): Promise<void> => {
      const goal = failures.length + 1
      while (failures.length < goal) {
        sender.send(message())
        taken++
        await turns(taken % 50 === 0 || socket.writableLength > 90_000 ? 1 : 0)
      }
      taken--
    }
    await fillUp()
    t.is(await refused(done => t.false(sender.send(message(), done))), code)
    const received: Buffer[] = []
    receiver.on('message', payload => received.push(payload))
    await once(sender, 'drain')
    receiver.pause()
    await fillUp()
    sender.end()
    receiver.resume()
    await once(receiver, 'end')
    t.deepEqual(failures, [code, code])
    t.is(received.length, taken)
    t.true(
      received.every(
        (payload, index) => payload.length === length && payload.every(byte => byte === index % 251),
      ),
    )
  })

test('end(chunk) beyond the limit fails and does not end', async t => {
  t.timeout(60_000)
  const { client, server, sent } = await limited(t, { highWaterMark: KiB, writeLimit: 64 * KiB })
  await overfill(client, sent, KiB)
  const heard: (string | undefined)[] = []
  client.on('error', error => heard.push((error as NodeJS.ErrnoException).code))
  client.end(randomBytes(KiB))
  client.end('x'.repeat(KiB), 'utf8')
  await turns(1)
  t.deepEqual(heard, [code, code])
  t.false(client.writableEnded)
  t.is(await refused(done => client.end(randomBytes(KiB), done)), code)
  t.is(await refused(done => client.end('x'.repeat(KiB), 'utf8', done)), code)
  t.deepEqual([heard.length, client.writableEnded], [2, false])
  const receiving = receiveAll(server)
  await once(client, 'drain')
  const last = randomBytes(KiB)
  sent.push(last)
  await new Promise<void>(resolve => client.end(last, resolve))
  t.true((await receiving).equals(Buffer.concat(sent)))
})

test("who waits for 'drain' writes chunks of any length, whatever the limit", async t => {
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
  client.write(chunk)
  t.is(await refused(done => t.false(client.write('x', done))), code)
})

test('by default 16 MiB over the high-water mark are held, on accepted sockets as well', async t => {
  t.timeout(60_000)
  const { client, server } = await pair(t)
  for (const socket of [client, server]) {
    socket.on('error', () => {})
    let written = 0
    while (written < 32 * MiB) {
      const before = socket.writableLength
      socket.write(Buffer.alloc(64 * KiB))
      if (before > 0 && socket.writableLength === before) break
      written += 64 * KiB
    }
    const held = written - socket.bytesWritten
    t.true(held <= 16 * MiB + 64 * KiB && held > 16 * MiB, `${held} bytes held`)
  }
})

test("the listener's writeLimit is that of its sockets; Infinity is none", async t => {
  t.timeout(60_000)
  const { server } = await pair(t, 'path', { writeLimit: 10, highWaterMark: 10 })
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
  await overfill(client, sent, KiB)
  t.throws(() => client.write(1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  client.removeAllListeners('error')
  client.end()
  const failed = once<NodeJS.ErrnoException>(client, 'error')
  client.write('x')
  t.is((await failed).code, 'ERR_STREAM_WRITE_AFTER_END')
})

test("a broadcast reaches the others, and a peer that does not read costs one 'error' a message", async t => {
  t.timeout(60_000)
  const stuck = await limited(t, { highWaterMark: KiB, writeLimit: KiB })
  const { client, server } = await pair(t)
  await overfill(stuck.client, stuck.sent, KiB)
  const errors: (string | undefined)[] = []
  stuck.client.on('error', error => errors.push((error as NodeJS.ErrnoException).code))
  const message = randomBytes(KiB)
  for (const socket of [stuck.client, client, stuck.client]) socket.write(message)
  client.end()
  t.true((await receiveAll(server)).equals(message))
  t.deepEqual(errors, [code, code])
})

test('whoever iterates over a socket, and writes on without a callback, is told there', async t => {
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
