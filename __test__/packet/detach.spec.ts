import { spawn } from 'node:child_process'
import test, { type ExecutionContext } from 'ava'
import { adopt, connect, type Descriptor, type PacketSocket, socketpair } from '../../index.js'
import { runs } from '../helpers/program.js'
import { atOnce, codeOf, eventually, once } from '../helpers/sockets.js'
import { leavesNoDescriptors, turns } from '../helpers/streams.js'
import { allOf, packetPair, recorded, type } from './helpers.js'

leavesNoDescriptors(test)

function sockets(t: ExecutionContext): [PacketSocket, PacketSocket] {
  const pair = socketpair({ type })
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

/** The socket of a descriptor, which is destroyed after the test. */
async function adopted(t: ExecutionContext, descriptor: Descriptor): Promise<PacketSocket> {
  const socket = await adopt(descriptor, { type })
  t.teardown(() => socket.destroy())
  return socket
}

test('a detached connection is open, and has what was in the kernel', async t => {
  const [one, other] = sockets(t)
  const events = recorded(other)
  other.pause()
  one.send('before')
  one.send('')
  const descriptor = await other.detach()
  t.is(descriptor.kind, 'socket')
  one.end('and after')
  await eventually('it is closed', () => events.length > 0)
  t.deepEqual(events, ['close'])
  const again = await adopted(t, descriptor)
  again.send('back')
  t.deepEqual(await allOf(again), ['before', '', 'and after'])
  t.deepEqual(await allOf(one), ['back'])
})

test('detach() sends what was sent, however long the peer takes', async t => {
  const [one, other] = sockets(t)
  const count = 3000
  for (let number = 0; number < count; number++) one.send(`${number}`)
  const detached = one.detach()
  t.is(await atOnce(detached), 'pending')
  one.send('meanwhile')
  const events = recorded(other)
  const descriptor = await detached
  await eventually('all', () => events.length === count + 1)
  t.deepEqual(events, [...Array.from({ length: count }, (_, number) => `${number}`), 'meanwhile'])
  const again = await adopted(t, descriptor)
  await again.sendAndWait('again')
  await eventually('the last', () => events.at(-1) === 'again')
})

test('detach() rejects while messages are undelivered, and the socket goes on', async t => {
  const [one, other] = sockets(t)
  const messages = other.messages()
  const first = messages.next()
  for (let number = 0; number < 3; number++) one.send(`${number}`)
  t.is(String((await first).value?.data), '0')
  await eventually('more than one has arrived', () => other.bytesRead > 1)
  await t.throwsAsync(other.detach(), {
    code: 'ERR_INVALID_STATE',
    message: /^(1 message was|2 messages were) received and not delivered; receive them before detach\(\)$/,
  })
  for (const expected of ['1', '2']) t.is(String((await messages.next()).value?.data), expected)
  const next = messages.next()
  one.send('more')
  t.is(String((await next).value?.data), 'more')
  const descriptor = await other.detach()
  t.is(descriptor.kind, 'socket')
  descriptor.close()
  await t.throwsAsync(messages.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
})

test('detach() rejects while a single message is undelivered', async t => {
  const [one, other] = sockets(t)
  const messages = other[Symbol.asyncIterator]()
  const first = messages.next()
  for (const message of ['first', '']) one.send(message)
  t.is(String((await first).value), 'first')
  await turns()
  await t.throwsAsync(other.detach(), { code: 'ERR_INVALID_STATE', message: /^1 message was received/ })
  t.is(String((await messages.next()).value), '')
})

test('messages that arrive in the turn in which detach() is called are delivered or left in the kernel', async t => {
  const sizes = Array.from({ length: 40 }, (_, number) => (number % 4) * 2000)
  for (let round = 0; round < 50; round++) {
    const [one, other] = sockets(t)
    const lengths: number[] = []
    const detached = new Promise<Descriptor>((resolve, reject) => {
      other.on('message', message => {
        lengths.push(message.length)
        if (lengths.length === 1) other.detach().then(resolve, reject)
      })
    })
    for (const [number, size] of sizes.entries()) {
      one.send(Buffer.alloc(size))
      if (number % 7 === 6) await turns(1)
    }
    const rest = await adopted(t, await detached)
    one.end()
    for await (const message of rest) lengths.push(message.length)
    t.deepEqual(lengths, sizes)
  }
})

test('a listener that is added while detach() waits gets nothing until the call has failed', async t => {
  const [one, other] = sockets(t)
  for (let number = 0; number < 3000; number++) one.send(Buffer.alloc(1000))
  const detached = codeOf(one.detach())
  const events = recorded(one)
  await other.sendAndWait('for the next owner')
  await turns()
  t.deepEqual(events, [])
  // The socket has ended by itself then.
  one.end()
  other.resume()
  t.is(await detached, 'ERR_INVALID_STATE')
  await eventually('it goes on', () => events.length > 0)
  t.is(events[0], 'for the next owner')
})

test('detach() of a socket that has ended, failed or is closed is an error', async t => {
  const [one, other] = sockets(t)
  one.end()
  await t.throwsAsync(one.detach(), { code: 'ERR_INVALID_STATE', message: /has ended/ })
  other.destroy()
  await t.throwsAsync(other.detach(), { code: 'ERR_INVALID_STATE', message: /is closed/ })
  const [waiting, peer] = sockets(t)
  waiting.on('error', () => {})
  for (let number = 0; number < 3000; number++) waiting.send(Buffer.alloc(1000))
  const detached = waiting.detach()
  await t.throwsAsync(waiting.detach(), { code: 'ERR_INVALID_STATE', message: /before/ })
  peer.destroy()
  const error: NodeJS.ErrnoException = await t.throwsAsync(detached)
  t.true(['EPIPE', 'ECONNRESET'].includes(error.code!), error.code)
})

test('destroy() while detach() waits closes the connection', async t => {
  const [one] = sockets(t)
  for (let number = 0; number < 3000; number++) one.send(Buffer.alloc(1000))
  const detached = one.detach()
  one.destroy()
  await t.throwsAsync(detached, { code: 'ERR_STREAM_DESTROYED' })
})

test('an accepted socket that is detached no longer counts as a connection of its listener', async t => {
  const { client, server, listener } = await packetPair(t, 'path', { maxConnections: 1 })
  const descriptor = await server.detach()
  const [second, accepted] = await Promise.all([connect(listener.path, { type }), listener.accept()])
  const again = await adopted(t, descriptor)
  again.end('still connected')
  t.deepEqual(await allOf(client), ['still connected'])
  for (const socket of [second, accepted]) socket.destroy()
})

const python = runs('python3', '--version')
;(python ? test : test.skip)(
  'another program has a detached connection, without marks on its records',
  async t => {
    const [one, other] = sockets(t)
    const descriptor = await other.detach()
    const program = [
      'import socket',
      's = socket.socket(fileno=0)',
      'for _ in range(3):',
      '    data, control, flags, _address = s.recvmsg(100, 1000)',
      '    s.send(data.upper() + b"%d %d" % (len(control), flags & socket.MSG_CTRUNC))',
    ].join('\n')
    const child = spawn('python3', ['-c', program], { stdio: [descriptor.fd, 'inherit', 'inherit'] })
    descriptor.close()
    for (const message of ['slowly ', '', 'the end ']) one.send(message)
    t.deepEqual(await allOf(one), ['SLOWLY 0 0', '0 0', 'THE END 0 0'])
    if (child.exitCode === null) await once(child, 'exit')
  },
)
