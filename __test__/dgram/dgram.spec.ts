import { once } from 'node:events'
import { existsSync, unlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import test, { type ExecutionContext } from 'ava'
import { createSocket, type RemoteInfo, Socket } from '../../dgram.js'
import { eventually, places } from '../helpers/sockets.js'
import { Program } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

function socket(t: ExecutionContext, listener?: (message: Buffer, rinfo: RemoteInfo) => void): Socket {
  const made = createSocket('unix_dgram', listener)
  t.teardown(() => made.close())
  return made
}

/** Records the events of a socket, from now on. */
function recorded(made: Socket): string[] {
  const events: string[] = []
  made.on('message', message => events.push(String(message)))
  for (const event of ['listening', 'connect', 'writable', 'close'] as const)
    made.on(event, () => events.push(event))
  made.on('error', (error: NodeJS.ErrnoException) => events.push(`${error.syscall} ${error.code}`))
  return events
}

test('bind() and connect() have emitted their events when they return, and send() works at once', async t => {
  const path = places.path(t)
  const server = socket(t)
  const events = recorded(server)
  server.bind(path)
  t.deepEqual(events, ['listening'])
  server.bind(`${path}2`)
  t.deepEqual(events, ['listening', 'bind EINVAL'])
  const client = socket(t)
  const seen = recorded(client)
  client.connect(`${path}3`)
  t.deepEqual(seen, ['connect ENOENT'])
  t.false(client.connected)
  client.connect(path)
  t.deepEqual(seen, ['connect ENOENT', 'connect'])
  t.true(client.connected)
  let isSent = false
  client.send(Buffer.from('one'), error => (isSent = error === undefined))
  t.true(isSent)
  client.close()
  await eventually('it arrives', () => events.length === 3)
  t.is(events[2], 'one')
  t.deepEqual(seen, ['connect ENOENT', 'connect', 'close'])
})

test('a message has its sender in rinfo, and can be answered there', async t => {
  const path = places.path(t)
  const received: [string, RemoteInfo][] = []
  const server = socket(t, (message, rinfo) => {
    received.push([String(message), rinfo])
    if (rinfo.path !== null) server.send(message, 0, message.length, rinfo.path)
  })
  server.bind(path)
  const unbound = socket(t)
  unbound.send(Buffer.from('-one-'), 1, 3, path)
  const bound = socket(t)
  bound.bind(`${path}-client`)
  const abstract = socket(t)
  const name = `\0udsock-test-${process.pid}-dgram`
  abstract.bind(name)
  const answers = [recorded(bound), recorded(abstract)]
  bound.sendto(Buffer.from('two'), 0, 3, path)
  abstract.send('three', 0, 5, path)
  await eventually('the answers', () => answers.every(each => each.length === 1))
  t.deepEqual(answers, [['two'], ['three']])
  const common = { truncated: false }
  t.deepEqual(received, [
    ['one', { size: 3, address: {}, path: null, ...common }],
    ['two', { size: 3, address: { path: `${path}-client` }, path: `${path}-client`, ...common }],
    ['three', { size: 5, address: { path: name }, path: name, ...common }],
  ])
})

test('errors have string codes; the callback gets them, or else the error event, before send() returns', t => {
  const path = places.path(t)
  const client = socket(t)
  const events = recorded(client)
  let code: string | undefined
  client.send(Buffer.from('x'), 0, 1, path, error => (code = (error as NodeJS.ErrnoException).code))
  t.is(code, 'ENOENT')
  client.send(Buffer.from('x'), 0, 1, path)
  client.send(Buffer.from('x'))
  t.deepEqual(events, ['send ENOENT', 'send ENOTCONN'])
  client.send(
    Buffer.alloc(20_000_000),
    0,
    20_000_000,
    path,
    error => (code = (error as { code?: string }).code),
  )
  t.is(code, 'EMSGSIZE')
  client.close()
  client.close()
  client.send(Buffer.from('x'), error => (code = (error as { code?: string }).code))
  t.is(code, 'EBADF')
})

test('arguments are checked', t => {
  const client = socket(t)
  t.throws(() => createSocket('unix_stream' as 'unix_dgram'), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => client.send(5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => client.send(Buffer.alloc(3), '0' as never, 3, '/x'), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => client.send(Buffer.alloc(3), 1, 3, '/x'), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => client.send(Buffer.alloc(3), 4, 0, '/x'), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => client.send(Buffer.alloc(3), 0, 3, 5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  const udp = createSocket('udp4')
  t.is(typeof udp.setBroadcast, 'function')
  udp.close()
})

for (const isConnected of [true, false])
  test(`a full receiver makes a message with a callback wait (${isConnected ? 'connected' : 'by path'})`, async t => {
    const path = places.path(t)
    const server = socket(t)
    server.bind(path)
    const client = socket(t)
    if (isConnected) client.connect(path)
    const count = 3000
    const outcomes: unknown[] = []
    const message = Buffer.alloc(4)
    for (let number = 0; number < count; number++) {
      // The memory is the caller's again.
      message.writeUInt32LE(number)
      const callback = (error?: Error): unknown => outcomes.push(error ?? number)
      if (isConnected) client.send(message, callback)
      else client.send(message, 0, 4, path, callback)
    }
    t.true(outcomes.length > 0 && outcomes.length < count)
    const received: number[] = []
    server.on('message', each => received.push(each.readUInt32LE()))
    await eventually('all', () => received.length === count && outcomes.length === count)
    const numbers = [...Array(count).keys()]
    t.deepEqual(received, numbers)
    t.deepEqual(outcomes, numbers)
  })

test("without a callback 'congestion' reports what was not sent, and 'writable' that there is room", async t => {
  const path = places.path(t)
  const server = socket(t)
  server.bind(path)
  const client = socket(t)
  client.connect(path)
  const congested: string[] = []
  client.on('congestion', message => congested.push(String(message)))
  const events = recorded(client)
  const count = 200
  for (let number = 0; number < count; number++) client.send(Buffer.from(`${number}`))
  t.true(congested.length > 0 && congested.length < count)
  const received = recorded(server)
  await once(client, 'writable')
  t.deepEqual(events, ['writable'])
  await eventually('the others', () => received.length === count - congested.length)
  t.deepEqual(
    [...received, ...congested],
    Array.from({ length: count }, (_, number) => `${number}`),
  )
})

test("without a callback and without a listener for 'congestion' messages wait, too", async t => {
  const path = places.path(t)
  const server = socket(t)
  server.bind(path)
  const client = socket(t)
  client.connect(path)
  for (let number = 0; number < 200; number++) client.send(`${number}`)
  const received = recorded(server)
  await eventually('all', () => received.length === 200)
  t.deepEqual(
    received,
    Array.from({ length: 200 }, (_, number) => `${number}`),
  )
})

test('close() is at once: what waits fails, and the file stays', async t => {
  const path = places.path(t)
  const server = socket(t)
  server.bind(path)
  const client = socket(t)
  client.connect(path)
  const codes: unknown[] = []
  for (let number = 0; number < 100; number++)
    client.send('x', error => codes.push((error as { code?: string } | undefined)?.code))
  const closed = once(client, 'close')
  client.close()
  await closed
  t.is(codes.length, 100)
  t.is(codes.at(-1), 'ERR_STREAM_DESTROYED')
  server.close()
  t.true(existsSync(path))
  const again = socket(t)
  const events = recorded(again)
  again.bind(path)
  unlinkSync(path)
  again.bind(path)
  t.deepEqual(events, ['bind EADDRINUSE', 'listening'])
})

test('a socket keeps the process alive until close() or unref()', async t => {
  const program = `
    const { createSocket } = require(${JSON.stringify(createRequire(import.meta.url).resolve('udsock/dgram'))})
    const [left, closed] = [createSocket('unix_dgram'), createSocket('unix_dgram')]
    left.unref()
    setTimeout(() => {
      closed.on('close', () => console.log('closed'))
      closed.close()
    }, 50)`
  const { output } = await new Program(t, process.execPath, ['-e', program]).ended
  t.is(output, 'closed')
})

test('a connected socket reaches the receiver that has replaced its own', async t => {
  const path = places.path(t)
  const first = socket(t)
  first.bind(path)
  const client = socket(t)
  client.connect(path)
  first.close()
  await once(first, 'close')
  let code: string | undefined
  client.send('between', error => (code = (error as { code?: string } | undefined)?.code))
  t.is(code, 'ECONNREFUSED')
  unlinkSync(path)
  const second = socket(t)
  second.bind(path)
  const received = recorded(second)
  client.send('after', error => (code = (error as { code?: string } | undefined)?.code ?? 'sent'))
  t.is(code, 'sent')
  await eventually('it arrives', () => received.length === 1)
  t.deepEqual(received, ['after'])
})

test('a longer message than is received is marked', async t => {
  const path = places.path(t)
  const server = socket(t)
  server.bind(path)
  const client = socket(t)
  client.send(Buffer.alloc(70_000), 0, 70_000, path)
  const [message, rinfo] = (await once(server, 'message')) as [Buffer, RemoteInfo]
  t.deepEqual([message.length, rinfo.size, rinfo.truncated], [65_536, 65_536, true])
})
