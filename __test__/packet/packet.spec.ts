import { AsyncLocalStorage } from 'node:async_hooks'
import { inspect } from 'node:util'
import test from 'ava'
import { connect, PacketSocket } from '../../index.js'
import { eventually, everyPlace, listening, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { allOf, packetListener, packetPair, recorded, type } from './helpers.js'

leavesNoDescriptors(test)

for (const place of everyPlace) {
  test(`messages arrive whole, once and in order, empty ones included (${place})`, async t => {
    const { client, server } = await packetPair(t, place)
    const sent = ['one', '', 'x'.repeat(60_000), '', 'é', 'last']
    for (const message of sent) client.send(message)
    client.end()
    t.deepEqual(await allOf(server), sent)
    await once(client, 'close')
  })

  test(`both sides end by themselves after the last answer (${place})`, async t => {
    const { client, server } = await packetPair(t, place)
    server.on('message', async message => {
      await new Promise(resolve => setImmediate(resolve))
      server.send(`re: ${message}`)
    })
    const events = recorded(client)
    client.send('question')
    client.end()
    await once(client, 'close')
    t.deepEqual(events, ['re: question', 'end', 'close'])
  })
}

test('a message is a Buffer of its own bytes, and its info is plain', async t => {
  const { client, server } = await packetPair(t)
  client.send(new Uint8Array([0, 255, 10]))
  const [message, info] = await new Promise<[Buffer, object]>(resolve =>
    server.once('message', (...args) => resolve(args)),
  )
  t.deepEqual([...message], [0, 255, 10])
  t.true(Buffer.isBuffer(message))
  t.deepEqual(info, { descriptors: [], truncated: false })
})

test('many messages of one turn arrive as they were sent', async t => {
  const { client, server } = await packetPair(t)
  const count = 5000
  const received: number[] = []
  server.on('message', message => received.push(message.length === 0 ? -1 : message.readUInt32LE()))
  for (let number = 0; number < count; number++) {
    const message = Buffer.alloc(4 + (number % 100))
    message.writeUInt32LE(number)
    client.send(message)
    // The memory of a small message is the caller's again.
    message.fill(0)
  }
  client.end()
  await once(server, 'end')
  t.deepEqual(received, [...Array(count).keys()])
})

test('small and large messages keep their order', async t => {
  const { client, server } = await packetPair(
    t,
    'path',
    { maxMessageLength: 200_000 },
    { maxMessageLength: 200_000 },
  )
  const lengths = [3, 150_000, 0, 8192, 8193, 1, 100_000, 2, 0, 70_000]
  for (const length of lengths) client.send(Buffer.alloc(length, length % 251))
  client.end()
  const received: number[] = []
  for await (const message of server) {
    received.push(message.length)
    t.true(message.every(byte => byte === message.length % 251))
  }
  t.deepEqual(received, lengths)
})

test('the callback of a message and the promise of sendAndWait come when the kernel has it', async t => {
  const { client, server } = await packetPair(t)
  const order: string[] = []
  await new Promise<void>(resolve => {
    client.send('one', error => order.push(`one ${error}`))
    client.send('two', error => {
      order.push(`two ${error}`)
      resolve()
    })
  })
  await client.sendAndWait('three')
  t.deepEqual(order, ['one null', 'two null'])
  client.end('four')
  t.deepEqual(await allOf(server), ['one', 'two', 'three', 'four'])
})

test('the callback of end() comes behind those of the messages, and then nothing can be sent', async t => {
  const { client, server } = await packetPair(t)
  const order: string[] = []
  client.on('error', error => order.push((error as NodeJS.ErrnoException).code!))
  client.send('one', () => order.push('one'))
  await new Promise<void>(resolve => {
    client.end('two', error => {
      order.push(`ended ${error}`)
      resolve()
    })
  })
  t.deepEqual(order, ['one', 'ended null'])
  const closed = once(client, 'close')
  await t.throwsAsync(client.sendAndWait('late'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
  await closed
  t.deepEqual(order, ['one', 'ended null', 'ERR_STREAM_WRITE_AFTER_END'])
  t.deepEqual(await allOf(server), ['one', 'two'])
})

test('the callback of an end() after the end gets an error, and its message is not sent', async t => {
  const { client, server } = await packetPair(t, 'path', { allowHalfOpen: true }, { allowHalfOpen: true })
  const arrived = allOf(server)
  await new Promise(resolve => client.end('one', resolve))
  const late = await new Promise<NodeJS.ErrnoException>(resolve => client.end(resolve as () => void))
  t.is(late.code, 'ERR_STREAM_ALREADY_FINISHED')
  const failed = once<NodeJS.ErrnoException>(client, 'error')
  const lost = await new Promise<NodeJS.ErrnoException>(resolve => client.end('two', resolve as () => void))
  t.is(lost.code, 'ERR_STREAM_ALREADY_FINISHED')
  t.is((await failed).code, 'ERR_STREAM_WRITE_AFTER_END')
  t.deepEqual(await arrived, ['one'])
})

test('half-close: one direction ends and the other goes on', async t => {
  const { client, server } = await packetPair(t, 'path', { allowHalfOpen: true }, { allowHalfOpen: true })
  const events = recorded(server)
  client.end('question')
  await eventually('the end', () => events.includes('end'))
  await server.sendAndWait('answer')
  server.send('')
  server.end()
  t.deepEqual(await allOf(client), ['answer', ''])
  await eventually('both are closed', () => events.includes('close'))
  t.deepEqual(events, ['question', 'end', 'close'])
})

test('messages() yields what came with each message', async t => {
  const { client, server } = await packetPair(t, 'path', { maxMessageLength: 4 })
  client.send('1234')
  client.send('12345')
  client.end('')
  const received: unknown[] = []
  for await (const { data, truncated, descriptors } of server.messages())
    received.push([String(data), truncated, descriptors.length])
  t.deepEqual(received, [
    ['1234', false, 0],
    ['1234', true, 0],
    ['', false, 0],
  ])
})

test("'message' marks what was cut, and plain iteration throws", async t => {
  const { client, server, listener } = await packetPair(t, 'path', { maxMessageLength: 4 })
  const events = recorded(server)
  client.send('12345')
  client.end('123')
  await once(server, 'close')
  t.deepEqual(events, ['1234~', '123', 'end', 'close'])
  const second = await connect(listener.path, { type })
  const iterated = await listener.accept()
  second.send('123')
  second.send('12345')
  const received: string[] = []
  await t.throwsAsync(
    async () => {
      for await (const message of iterated) received.push(String(message))
    },
    { code: 'ERR_MESSAGE_TRUNCATED', message: /maxMessageLength, 4;/ },
  )
  t.deepEqual(received, ['123'])
  await once(second, 'close')
})

test('a message beyond maxMessageLength is refused before it is queued', async t => {
  const { client, server } = await packetPair(t, 'path', undefined, { maxMessageLength: 3 })
  t.throws(() => client.send('four'), { code: 'ERR_FRAME_TOO_LARGE' })
  t.throws(() => client.end(Buffer.alloc(4)), { code: 'ERR_FRAME_TOO_LARGE' })
  client.end('333')
  t.deepEqual(await allOf(server), ['333'])
})

test('await using sends what is queued, then closes', async t => {
  const { client, server } = await packetPair(t)
  const received = allOf(server)
  client.send('one')
  client.send('two')
  await client[Symbol.asyncDispose]()
  t.deepEqual(await received, ['one', 'two'])
})

test("callbacks run in the caller's context, events in the socket's", async t => {
  const context = new AsyncLocalStorage<string>()
  const { client, server } = await context.run('creator', () => packetPair(t))
  const seen: unknown[] = []
  client.on('message', () => seen.push(['message', context.getStore()]))
  client.on('end', () => seen.push(['end', context.getStore()]))
  client.on('close', () => seen.push(['close', context.getStore()]))
  context.run('caller', () => client.send('one', () => seen.push(['sent', context.getStore()])))
  await eventually('it is sent', () => seen.length === 1)
  server.end('two')
  await eventually('it is closed', () => seen.length === 4)
  t.deepEqual(seen, [
    ['sent', 'caller'],
    ['message', 'creator'],
    ['end', 'creator'],
    ['close', 'creator'],
  ])
})

test('a socket reports its counts, its paths, its peer and its state', async t => {
  const { client, server, listener } = await packetPair(t)
  await client.sendAndWait('four')
  await once(server, 'message')
  t.deepEqual([client.bytesWritten, server.bytesRead], [4, 4])
  t.deepEqual([client.remotePath, server.localPath], [listener.path, listener.path])
  t.is(client.peer.uid, process.getuid!())
  t.is(server.peer.pid, process.pid)
  t.regex(
    inspect(server),
    /^PacketSocket \{\s+path: '.*',\s+state: 'open',\s+bytesRead: 4,\s+bytesWritten: 0/,
  )
  t.throws(() => new (PacketSocket as unknown as new () => object)(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
})

test('sockets of different types do not connect', async t => {
  const packets = await packetListener(t)
  const streams = await listening(t)
  await t.throwsAsync(connect(packets.path), { code: 'EPROTOTYPE', message: /not a stream socket/ })
  await t.throwsAsync(connect(streams.path, { type }), {
    code: 'EPROTOTYPE',
    message: /not a seqpacket socket/,
  })
})

test('options of the other type are refused', async t => {
  const path = places.path(t)
  const options = { maxMessageLength: 1 } as object
  await t.throwsAsync(connect(path, options), { code: 'ERR_INVALID_ARG_VALUE', message: /maxMessageLength/ })
  const onread = { buffer: Buffer.alloc(1), callback: () => true }
  await t.throwsAsync(connect(path, { type, onread } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /onread/,
  })
  await t.throwsAsync(connect(path, { type: 'dgram' } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /type/,
  })
  for (const maxMessageLength of [-1, 0.5, 262_145])
    await t.throwsAsync(connect(path, { type, maxMessageLength }), { code: 'ERR_OUT_OF_RANGE' })
})
