// The first import, because it chooses the addon.
import { panicIn } from './addon.js'

import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { adopt, bindDatagram, Descriptor, type DatagramSocket, socketpair } from '../../index.js'
import { createSocket } from '../../dgram.js'
import { recorded, socketAt, take } from '../datagram/helpers.js'
import { closed, descriptors, eventually, once, places } from '../helpers/sockets.js'
import { bystanders, internal, live } from './helpers.js'

/** The error with which a socket ends. */
async function failure(socket: DatagramSocket): Promise<unknown> {
  const [error] = await Promise.all([once(socket, 'error'), once(socket, 'close')])
  return error
}

/** A connected pair, which is destroyed after the test. */
function pairOf(t: ExecutionContext): [DatagramSocket, DatagramSocket] {
  const pair = socketpair({ type: 'datagram', receiveDescriptors: 1 })
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

/** Two sockets that are not concerned. */
async function livingOn(t: ExecutionContext): Promise<() => Promise<void>> {
  const others = await bystanders(t)
  const [server, client] = [await socketAt(t, places.path(t)), await socketAt(t)]
  return async () => {
    await live(t, others)
    await client.sendAndWait('still here', { to: server.path })
    t.deepEqual(await take(server, 1), ['still here'])
  }
}

test.serial(
  'a panic while a socket for datagrams is made fails that call alone, and leaves nothing',
  async t => {
    const check = await livingOn(t)
    const path = places.path(t)
    const calls: [string, () => Promise<unknown>][] = [
      ['datagram_socket', () => bindDatagram()],
      ['datagram_socket', () => bindDatagram({ autobind: true })],
      ['autobind', () => bindDatagram({ autobind: true })],
      ['listen', () => bindDatagram(path)],
      ['listening', () => bindDatagram(path)],
      ['bind', () => bindDatagram(path)],
      ['mail', () => bindDatagram(path, { onExisting: 'replaceStale' })],
      ['pass_credentials', () => bindDatagram(path, { onExisting: 'replaceStale', credentials: true })],
      ['set_longest_record', () => bindDatagram(path)],
    ]
    const before = descriptors()
    for (const [place, call] of calls) {
      panicIn(place)
      await t.throwsAsync(call(), internal, place)
      await eventually('all are closed', () => descriptors() <= before)
      await check()
    }
    t.false(existsSync(path))
    await (await bindDatagram(path)).close()
  },
)

test.serial('a panic while a pair for datagrams is made closes both', async t => {
  const check = await livingOn(t)
  const before = descriptors()
  for (const [place, options] of [
    ['pair', {}],
    ['pass_credentials', { credentials: true }],
    ['set_longest_record', {}],
  ] as const) {
    panicIn(place)
    t.throws(() => socketpair({ type: 'datagram', ...options }), internal, place)
    await eventually('both are closed', () => descriptors() <= before)
    await check()
  }
})

test.serial('a panic while a descriptor is adopted leaves it to its giver', async t => {
  const check = await livingOn(t)
  const [one, other] = pairOf(t)
  const descriptor = await one.detach()
  const options = { type: 'datagram', credentials: true } as const
  panicIn('pass_credentials')
  await t.throwsAsync(adopt(descriptor, options), internal)
  t.is(descriptor.kind, 'socket')
  const fd = descriptor.release()
  panicIn('pass_credentials')
  await t.throwsAsync(adopt(fd, options), internal)
  const adopted = await adopt(fd, options)
  t.teardown(() => adopted.destroy())
  await other.sendAndWait('still connected')
  t.deepEqual(await take(adopted, 1), ['still connected'])
  await check()
})

test.serial('a panic in connect() or disconnect() fails that call, and the socket goes on', async t => {
  const check = await livingOn(t)
  const [server, client] = [await socketAt(t, places.path(t)), await socketAt(t)]
  panicIn('connect_datagrams')
  await t.throwsAsync(client.connect(server.path!), internal)
  await client.connect(server.path!)
  panicIn('disconnect_datagrams')
  t.throws(() => client.disconnect(), internal)
  await client.sendAndWait('connected')
  t.deepEqual(await take(server, 1), ['connected'])
  client.disconnect()
  await t.throwsAsync(client.sendAndWait('disconnected'), { code: 'ENOTCONN' })
  await check()
})

for (const [place, files] of [
  ['send_records', 0],
  ['send_record_with', 1],
] as const)
  test.serial(
    `a panic in ${place} fails that socket and what it has not sent, and leaves no descriptor`,
    async t => {
      const check = await livingOn(t)
      const before = descriptors()
      const [one, other] = pairOf(t)
      const given = (): Descriptor[] => Array.from({ length: files }, () => Descriptor.duplicate(0))
      panicIn(place)
      const failed = failure(one)
      const sent = ['first', 'second'].map(message => one.sendAndWait(message, { descriptors: given() }))
      await t.throwsAsync(sent[0]!, internal)
      // Descriptors are sent at once, so the second message finds a socket that has failed.
      await t.throwsAsync(sent[1]!, files === 0 ? internal : { code: 'ERR_STREAM_DESTROYED' })
      t.like(await failed, internal)
      other.destroy()
      await closed(other)
      await eventually('all are closed', () => descriptors() <= before)
      await check()
    },
  )

for (const [place, files] of [
  ['read_start', 0],
  ['connection', 0],
  ['take_descriptors', 1],
] as const)
  test.serial(`a panic in ${place} fails the socket that receives, and leaves no descriptor`, async t => {
    const check = await livingOn(t)
    const before = descriptors()
    const [one, other] = pairOf(t)
    await one.sendAndWait('lost', { descriptors: Array<number>(files).fill(0) })
    panicIn(place)
    const failed = failure(other)
    const events = recorded(other)
    t.like(await failed, internal)
    t.deepEqual(
      events.filter(event => event === 'lost'),
      [],
    )
    one.destroy()
    await closed(one)
    await eventually('all are closed', () => descriptors() <= before)
    await check()
  })

test.serial('a socket whose descriptors could not be asked for does not receive without them', async t => {
  const check = await livingOn(t)
  panicIn('receive_descriptors')
  const [one, other] = pairOf(t)
  const failed = failure(one)
  one.resume()
  t.like(await failed, internal)
  other.destroy()
  await check()
})

test.serial("a panic in udsock/dgram is thrown, or an 'error' of the call", async t => {
  const check = await livingOn(t)
  const path = places.path(t)
  panicIn('datagram_socket')
  t.throws(() => createSocket('unix_dgram'), internal)
  panicIn('set_longest_record')
  t.throws(() => createSocket('unix_dgram'), internal)
  const [server, client] = [createSocket('unix_dgram'), createSocket('unix_dgram')]
  t.teardown(() => {
    for (const socket of [server, client]) socket.close()
  })
  const codes: unknown[] = []
  for (const socket of [server, client])
    socket.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code))
  panicIn('bind_datagrams')
  server.bind(path)
  server.bind(path)
  panicIn('connect_datagrams')
  client.connect(path)
  client.connect(path)
  panicIn('send_records')
  client.send(Buffer.from('one'), error => codes.push((error as NodeJS.ErrnoException).code))
  t.deepEqual(codes, ['ERR_INTERNAL', 'ERR_INTERNAL', 'ERR_INTERNAL'])
  const received = once(server, 'message')
  client.send(Buffer.from('two'))
  t.is(String(await received), 'two')
  await check()
})

test.serial('when events may be lost, by a panic in poll, a socket for datagrams gets an error', async t => {
  const [one, other] = pairOf(t)
  const failures = Promise.all([one, other].map(failure))
  other.resume()
  panicIn('poll')
  one.send('a little')
  one.resume()
  for (const error of await failures) t.like(error, internal)
  await (
    await livingOn(t)
  )()
})
