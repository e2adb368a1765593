import { AsyncLocalStorage } from 'node:async_hooks'
import { inspect } from 'node:util'
import test from 'ava'
import { adopt, bindDatagram, DatagramSocket, listen } from '../../index.js'
import { atOnce, directory, eventually, everyPlace, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors, turns } from '../helpers/streams.js'
import { boundSocket, recorded, socketAt, take } from './helpers.js'

leavesNoDescriptors(test)

for (const place of everyPlace) {
  test(`messages arrive whole, once and in order, empty ones included, and are answered (${place})`, async t => {
    const server = await boundSocket(t, place)
    const client = await boundSocket(t, place)
    const sent = ['one', '', 'x'.repeat(60_000), '', 'é', 'last']
    server.on('message', (message, { from }) => void server.send(`re: ${message}`, { to: from }))
    const answers = recorded(client)
    for (const message of sent) client.send(message, { to: server.path })
    await eventually('the answers', () => answers.length === sent.length)
    t.deepEqual(
      answers,
      sent.map(message => `re: ${message}`),
    )
  })
}

test('every message comes with its sender', async t => {
  const server = await boundSocket(t)
  const senders = [
    await boundSocket(t, 'path'),
    await boundSocket(t, 'abstract name'),
    await socketAt(t, { autobind: true }),
    await socketAt(t),
  ]
  const received = new Map<string, unknown>()
  server.on('message', (message, info) => received.set(String(message), info))
  for (const [index, sender] of senders.entries()) await sender.sendAndWait(`${index}`, { to: server.path })
  await eventually('they arrive', () => received.size === senders.length)
  for (const [index, { path }] of senders.entries())
    t.deepEqual(received.get(`${index}`), { descriptors: [], truncated: false, from: path })
  t.is(senders[3]!.path, undefined)
  t.regex(String(senders[2]!.path), /^0(,\d+){5}$/)
})

test('the address of a message is the receiver’s own', async t => {
  const server = await boundSocket(t)
  const client = await boundSocket(t, 'abstract name')
  const received: unknown[] = []
  server.on('message', (_message, { from }) => {
    received.push(Buffer.from(from as Uint8Array).toString())
    ;(from as Uint8Array).fill(0)
  })
  for (let count = 0; count < 3; count++) await client.sendAndWait('', { to: server.path })
  await eventually('they arrive', () => received.length === 3)
  t.deepEqual(received, Array(3).fill(Buffer.from(client.path as Uint8Array).toString()))
})

test('credentials come with each message, of unbound senders, too', async t => {
  const server = await boundSocket(t, 'path', { credentials: true })
  const client = await socketAt(t)
  client.send('', { to: server.path })
  const [, info] = await new Promise<[Buffer, { peer?: unknown }]>(resolve =>
    server.once('message', (...args) => resolve(args)),
  )
  t.deepEqual(info.peer, { uid: process.getuid!(), gid: process.getgid!(), pid: process.pid })
})

test('a message that was sent before credentials were asked for comes with none', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  await client.sendAndWait('early', { to: server.path })
  const receiver = await adopt(await server.detach(), { type: 'datagram', credentials: true })
  t.teardown(() => receiver.destroy())
  await client.sendAndWait('late', { to: receiver.path })
  const senders: unknown[] = []
  receiver.on('message', (message, { peer }) => senders.push([String(message), peer?.uid]))
  await eventually('both', () => senders.length === 2)
  t.deepEqual(senders, [
    ['early', undefined],
    ['late', process.getuid!()],
  ])
})

test('connect() sets the receiver, and the only sender; disconnect() undoes it', async t => {
  const server = await boundSocket(t)
  const other = await boundSocket(t)
  const client = await boundSocket(t)
  const events = recorded(client)
  await client.connect(server.path!)
  t.is(client.remotePath, server.path)
  await client.sendAndWait('question')
  t.deepEqual(await take(server, 1), ['question'])
  await t.throwsAsync(other.sendAndWait('stranger', { to: client.path }), {
    code: 'EPERM',
    message: /another/,
  })
  await t.throwsAsync(other.connect(client.path!), { code: 'EPERM', message: /another/ })
  await server.sendAndWait('answer', { to: client.path })
  await eventually('the answer', () => events.length === 1)
  client.disconnect()
  t.is(client.remotePath, undefined)
  await other.sendAndWait('welcome', { to: client.path })
  await eventually('the other', () => events.length === 2)
  t.deepEqual(events, ['answer', 'welcome'])
  await t.throwsAsync(client.sendAndWait('lost'), { code: 'ENOTCONN', message: /connect\(\)/ })
})

test('messages to a receiver to which a socket connects again keep their order', async t => {
  const [receiver, other] = [await boundSocket(t), await boundSocket(t)]
  const client = await socketAt(t)
  const count = 300
  for (let number = 0; number < count; number++) {
    // The receiver is full soon.
    if (number % 10 === 0) await client.connect(other.path!)
    if (number % 10 === 0) await client.connect(receiver.path!)
    client.send(`${number}`)
    if (number % 30 === 0) await turns()
  }
  const received = take(receiver, count)
  await client.close()
  t.deepEqual(
    await received,
    Array.from({ length: count }, (_, number) => `${number}`),
  )
})

test('a receiver whose name begins as the name of another one gets its own messages', async t => {
  const name = places['abstract name']()
  const receiver = await socketAt(t, name)
  const longer = await socketAt(t, Buffer.concat([name, Buffer.alloc(1)]))
  const client = await socketAt(t)
  // More than the kernel holds for a receiver.
  for (let count = 0; count < 30; count++) client.send('for it', { to: name })
  await client.connect(name)
  for (let count = 0; count < 30; count++) client.send('for it')
  client.disconnect()
  client.send('for the longer name', { to: longer.path })
  t.deepEqual(await take(longer, 1), ['for the longer name'])
  receiver.resume()
})

test('what was sent before connect() goes to the receiver of then', async t => {
  const [first, second] = [await boundSocket(t), await boundSocket(t)]
  const client = await socketAt(t)
  await client.connect(first.path!)
  client.send('one')
  await client.connect(second.path!)
  client.send('two')
  client.send('three', { to: first.path })
  t.deepEqual(await take(second, 1), ['two'])
  const events = recorded(first)
  await eventually('both', () => events.length === 2)
  t.deepEqual(events, ['one', 'three'])
})

test('iteration yields messages with their infos until close(), and leaving it destroys the socket', async t => {
  const server = await boundSocket(t, 'path', { maxMessageLength: 4 })
  const client = await boundSocket(t)
  client.send('1234', { to: server.path })
  client.send('12345', { to: server.path })
  client.send('', { to: server.path })
  const received: unknown[] = []
  for await (const { data, from, truncated, descriptors } of server) {
    received.push([String(data), from, truncated, descriptors.length])
    if (received.length === 3) void server.close()
  }
  t.deepEqual(received, [
    ['1234', client.path, false, 0],
    ['1234', client.path, true, 0],
    ['', client.path, false, 0],
  ])
  const closed = once(client, 'close')
  const loop = client.messages()
  const next = loop.next()
  t.is(await atOnce(next), 'pending')
  await loop.return!()
  await closed
  t.deepEqual(await loop.next(), { value: undefined, done: true })
})

test('pause() leaves messages in the kernel, resume() delivers them', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  const events = recorded(server)
  server.pause()
  await client.sendAndWait('one', { to: server.path })
  await client.sendAndWait('two', { to: server.path })
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual(events, [])
  server.resume()
  await eventually('both', () => events.length === 2)
  t.deepEqual(events, ['one', 'two'])
})

test('callbacks and promises come in order, when the kernel has the message', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  await client.connect(server.path!)
  const order: string[] = []
  client.send('one', error => order.push(`one ${error}`))
  client.send('x', { to: `${server.path}-none` }, error =>
    order.push(`x ${(error as { code?: string }).code}`),
  )
  await client.sendAndWait('two')
  await eventually('all', () => order.length === 2)
  t.deepEqual(order.toSorted(), ['one null', 'x ENOENT'])
  t.is(client.bytesWritten, 6)
})

test('callbacks of messages that fail keep their order', async t => {
  const server = await boundSocket(t, 'path', { maxMessageLength: 262_144 })
  const client = await socketAt(t, undefined, { maxMessageLength: 262_144 })
  await client.connect(server.path!)
  server.resume()
  const order: unknown[] = []
  const done = new Promise<void>(resolve => {
    for (let number = 0; number < 9; number++) {
      client.send(number % 3 === 1 ? '' : 'message', error => {
        order.push([number, error?.message ?? null])
        if (number === 8) resolve()
      })
    }
  })
  await done
  t.deepEqual(
    order,
    Array.from({ length: 9 }, (_, number) => [number, null]),
  )
})

test('close() waits until the kernel has everything, and await using does the same', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  await client.connect(server.path!)
  for (let number = 0; number < 500; number++) client.send(`${number}`)
  const events = recorded(server)
  const closing = client.close()
  await t.throwsAsync(client.sendAndWait('late'), { code: 'ERR_STREAM_DESTROYED' })
  await closing
  t.true(client.closed)
  await eventually('all', () => events.length === 500)
  t.deepEqual(
    events,
    Array.from({ length: 500 }, (_, number) => `${number}`),
  )
  await client.close()
  await client[Symbol.asyncDispose]()
  await t.throwsAsync(client.connect(server.path!), { code: 'ERR_INVALID_STATE' })
  t.throws(() => client.disconnect(), { code: 'ERR_INVALID_STATE' })
})

test("callbacks run in the caller's context, events in the socket's", async t => {
  const context = new AsyncLocalStorage<string>()
  const server = await context.run('creator', () => boundSocket(t))
  const seen: unknown[] = []
  server.on('message', () => seen.push(['message', context.getStore()]))
  server.on('error', () => seen.push(['error', context.getStore()]))
  server.on('close', () => seen.push(['close', context.getStore()]))
  context.run('caller', () => {
    server.send('', { to: server.path }, () => seen.push(['sent', context.getStore()]))
    server.send('', { to: `${server.path}-none` })
  })
  await eventually('three', () => seen.length === 3)
  await server.close()
  t.deepEqual(seen.map(String).toSorted(), [
    'close,creator',
    'error,creator',
    'message,creator',
    'sent,caller',
  ])
})

test('a socket shows its state, and cannot be constructed', async t => {
  const server = await boundSocket(t)
  server.resume()
  await server.sendAndWait('four', { to: server.path })
  await eventually('it arrives', () => server.bytesRead === 4)
  t.regex(
    inspect(server),
    /^DatagramSocket \{\s+path: '.*',\s+state: 'open',\s+bytesRead: 4,\s+bytesWritten: 4,\s+dropped: 0/,
  )
  t.throws(() => new (DatagramSocket as unknown as new () => object)(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
})

test('arguments are checked before anything is sent or made', async t => {
  const path = places.path(t)
  const invalid = { code: 'ERR_INVALID_ARG_VALUE' }
  const wrongType = { code: 'ERR_INVALID_ARG_TYPE' }
  await t.throwsAsync(bindDatagram(5 as never), wrongType)
  await t.throwsAsync(bindDatagram({} as never), wrongType)
  await t.throwsAsync(bindDatagram({ autobind: false } as never), invalid)
  await t.throwsAsync(bindDatagram(path, { allowHalfOpen: true } as never), invalid)
  await t.throwsAsync(bindDatagram(path, { whenFull: 'never' as 'drop' }), invalid)
  await t.throwsAsync(bindDatagram(path, { maxMessageLength: 262_145 }), { code: 'ERR_OUT_OF_RANGE' })
  for (const options of [{ mode: 0o600 }, { onExisting: 'replaceStale' }, { unlinkOnClose: true }] as const) {
    await t.throwsAsync(bindDatagram(undefined, options), invalid)
    await t.throwsAsync(bindDatagram({ autobind: true }, options), invalid)
  }
  await t.throwsAsync(bindDatagram(places['abstract name'](), { mode: 0o600 }), invalid)
  const socket = await socketAt(t, path, { maxMessageLength: 3 })
  const events = recorded(socket)
  t.throws(() => socket.send('four', { to: path }), { code: 'ERR_FRAME_TOO_LARGE' })
  t.throws(() => socket.send(4 as never, { to: path }), wrongType)
  t.throws(() => socket.send('', { to: 5 as never }), wrongType)
  t.throws(() => socket.send('', { too: path } as never), { ...invalid, message: /no such option/ })
  t.throws(() => socket.send('', { to: path }, 5 as never), wrongType)
  await t.throwsAsync(socket.sendAndWait('four'), { code: 'ERR_FRAME_TOO_LARGE' })
  await t.throwsAsync(socket.connect(''), invalid)
  await t.throwsAsync(socket.connect(directory(t)), {
    code: 'ECONNREFUSED',
    message: /^connect .*: no socket is bound there/,
  })
  await new Promise(resolve => setImmediate(resolve))
  t.deepEqual(events, [])
})

test('a socket of another type is no receiver', async t => {
  const listener = await listen(places.path(t))
  t.teardown(() => listener.close())
  const socket = await socketAt(t)
  const expected = { code: 'EPROTOTYPE', message: /not a datagram socket/ }
  await t.throwsAsync(socket.connect(listener.path), expected)
  await t.throwsAsync(socket.sendAndWait('', { to: listener.path }), expected)
})
