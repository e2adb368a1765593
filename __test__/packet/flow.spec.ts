import test from 'ava'
import { adopt, type PacketSocket, socketpair } from '../../index.js'
import { start } from '../helpers/program.js'
import { eventually, once } from '../helpers/sockets.js'
import { argument, leavesNoDescriptors, turns } from '../helpers/streams.js'
import { allOf, packetListener, packetPair, recorded, type } from './helpers.js'

leavesNoDescriptors(test)

/** Sends until `send()` returns false, and returns how many messages that were. */
function fill(socket: PacketSocket, message: Buffer): number {
  let count = 1
  while (socket.send(message)) count++
  return count
}

/** Sends until the kernel has no room, and returns how many messages that were. */
async function fillKernel(socket: PacketSocket, message: Buffer): Promise<number> {
  let count = 0
  for (let taken = -1; taken < socket.bytesWritten; await turns(2)) {
    taken = socket.bytesWritten
    count += fill(socket, message)
  }
  return count
}

test('a peer that does not read makes send() return false, and drain follows when it reads', async t => {
  const { client, server } = await packetPair(t, 'path', undefined, { highWaterMark: 4096 })
  const message = Buffer.alloc(1000, 1)
  const sent = await fillKernel(client, message)
  let hasDrained = false
  client.once('drain', () => (hasDrained = true))
  await turns(5)
  t.false(hasDrained)
  let received = 0
  server.on('message', () => received++)
  await once(client, 'drain')
  client.end()
  await once(server, 'end')
  t.is(received, sent)
})

test('without a reader messages stay in the kernel, and a first listener gets them all', async t => {
  const { client, server } = await packetPair(t)
  for (let number = 0; number < 50; number++) client.send(String(number))
  await turns(5)
  t.is(server.bytesRead, 0)
  client.end()
  t.deepEqual(await allOf(server), [...Array(50).keys()].map(String))
})

test('pause() holds messages and the end until resume()', async t => {
  const { client, server } = await packetPair(t)
  const events = recorded(server)
  server.on('message', () => server.pause())
  for (const message of ['one', 'two', '']) client.send(message)
  client.end('four')
  for (const expected of [['one'], ['one', 'two'], ['one', 'two', ''], ['one', 'two', '', 'four']]) {
    await eventually('the next', () => events.length === expected.length)
    await turns(3)
    t.deepEqual(events, expected)
    server.resume()
  }
  await eventually('the end', () => events.includes('close'))
  t.deepEqual(events, ['one', 'two', '', 'four', 'end', 'close'])
})

test('while the body of a loop is busy, the peer has to wait', async t => {
  const { client, server } = await packetPair(t, 'path', undefined, { highWaterMark: 4096 })
  const message = Buffer.alloc(1000)
  client.send(message)
  let sent = 0
  let received = 0
  for await (const _ of server) {
    if (received++ > 0) continue
    sent += await fillKernel(client, message)
    t.true(server.bytesRead < 512 * 1024)
    client.end()
  }
  t.is(received, sent + 1)
})

test("messages that arrived before the peer's end or its death are delivered before it", async t => {
  const { client, server } = await packetPair(t)
  client.send('one')
  await client.sendAndWait('two')
  client.destroy()
  t.deepEqual(await allOf(server), ['one', 'two'])
})

test('a send to a peer that has gone fails, and what it had sent comes before the error', async t => {
  const { client, server } = await packetPair(t)
  const events = recorded(server)
  await turns(2)
  await client.sendAndWait('last words')
  client.destroy()
  await t.throwsAsync(server.sendAndWait('lost'), { code: 'EPIPE' })
  await eventually('it is closed', () => events.includes('close'))
  t.deepEqual(events, ['last words', 'error EPIPE', 'close'])
})

test('what a peer that has gone had sent comes before the error of an end() with a last message', async t => {
  const { client, server } = await packetPair(t)
  const events = recorded(server)
  await turns(2)
  await client.sendAndWait('last words')
  client.destroy()
  server.end('lost')
  await eventually('it is closed', () => events.includes('close'))
  t.deepEqual(events, ['last words', 'error EPIPE', 'close'])
})

for (const isReading of [false, true]) {
  test(`records come before the reset of a peer that did not read (reading: ${isReading})`, async t => {
    const [one, other] = socketpair({ type })
    t.teardown(() => one.destroy())
    const events = isReading ? recorded(one) : []
    await one.sendAndWait('unread')
    const descriptor = await other.detach()
    const last = await adopt(descriptor, { type })
    for (const message of ['answer', '', 'last words']) last.send(message)
    last.destroy()
    if (!isReading) await turns()
    const all = isReading ? events : recorded(one)
    await eventually('it is closed', () => all.includes('close'))
    t.deepEqual(all, ['answer', '', 'last words', 'error ECONNRESET', 'close'])
  })
}

test('the end waits behind an empty record that was not read', async t => {
  const { client, server } = await packetPair(t)
  client.send('')
  client.destroy()
  await turns()
  const events = recorded(server)
  await once(server, 'close')
  t.deepEqual(events, ['', 'end', 'close'])
})

test('a socket that nobody reads closes when its peer has gone', async t => {
  const { client, server } = await packetPair(t)
  client.destroy()
  await once(server, 'close')
  t.pass()
})

test('destroy(error) reports the error, and unsent messages get it', async t => {
  const { client } = await packetPair(t)
  const events = recorded(client)
  const message = Buffer.alloc(1000)
  await fillKernel(client, message)
  const error = Object.assign(new Error('enough'), { code: 'ENOUGH' })
  const outcome = client.sendAndWait('unsent')
  client.destroy(error)
  await t.throwsAsync(outcome, { code: 'ENOUGH' })
  await eventually('it is closed', () => events.includes('close'))
  t.deepEqual(events, ['error ENOUGH', 'close'])
  await t.throwsAsync(client.sendAndWait('late'), { code: 'ERR_STREAM_DESTROYED' })
})

test('destroy() sends what the kernel takes', async t => {
  const { client, server } = await packetPair(t)
  client.send('one')
  client.send('two')
  client.destroy()
  t.deepEqual(await allOf(server), ['one', 'two'])
})

test('closing with unread messages is a clean end for the peer', async t => {
  const { client, server } = await packetPair(t)
  const events = recorded(client)
  for (let number = 0; number < 20; number++) client.send('unread')
  await client.sendAndWait('')
  server.destroy()
  await once(client, 'close')
  t.deepEqual(events, ['end', 'close'])
})

test('a message whose memory is gone fails alone if it has a callback, and others go on', async t => {
  const limits = { maxMessageLength: 262_144 }
  const { client, server } = await packetPair(t, 'path', limits, limits)
  const large = Buffer.alloc(100_000)
  let unread = 0
  while (client.send(large)) unread++
  const lost = new Uint8Array(100_000)
  const outcome = client.sendAndWait(lost)
  const next = client.sendAndWait('next')
  structuredClone(lost.buffer, { transfer: [lost.buffer] })
  client.end()
  const received = (await allOf(server)).map(message => message.length)
  await t.throwsAsync(outcome, { code: 'ERR_BUFFER_CHANGED' })
  await next
  t.deepEqual(received, [...Array(unread + 1).fill(100_000), 4])
})

test('callbacks of messages that fail keep their order', async t => {
  const { client, server } = await packetPair(t, 'path', undefined, { highWaterMark: 4096 })
  const before = await fillKernel(client, Buffer.alloc(1000))
  const outcomes: string[] = []
  const note = (name: string) => (error?: Error | null) =>
    outcomes.push(`${name} ${(error as NodeJS.ErrnoException | null)?.code ?? 'sent'}`)
  const large = new Uint8Array(20_000)
  client.send('first', note('first'))
  client.send(large, note('changed'))
  client.send('second', note('second'))
  structuredClone(large, { transfer: [large.buffer] })
  let received = 0
  server.on('message', () => received++)
  await eventually('the last', () => received === before + 2 && outcomes.length === 3)
  t.deepEqual(outcomes, ['first sent', 'changed ERR_BUFFER_CHANGED', 'second sent'])
})

test('a write beyond writeLimit is refused alone with a callback, and destroys the socket without', async t => {
  const { client } = await packetPair(t, 'path', undefined, { highWaterMark: 1000, writeLimit: 10_000 })
  const events = recorded(client)
  const message = Buffer.alloc(1000)
  await fillKernel(client, message)
  const refused = new Set<unknown>()
  for (let count = 0; count < 20; count++)
    client.send(message, error => refused.add((error as NodeJS.ErrnoException | null)?.code))
  await turns(2)
  t.deepEqual([...refused], ['ERR_BACKPRESSURE_LIMIT'])
  t.deepEqual(events, [])
  client.send(message)
  await eventually('it is closed', () => events.includes('close'))
  t.deepEqual(events, ['error ERR_BACKPRESSURE_LIMIT', 'close'])
})

test('a killed peer ends the connection', async t => {
  const listener = await packetListener(t)
  const child = start(t, 'packet-peer.js', [argument(listener.path)])
  const server = await listener.accept()
  const events = recorded(server)
  await eventually('it speaks', () => events.includes('ready'))
  child.kill('SIGKILL')
  await eventually('it is closed', () => events.includes('close'))
  t.is(events.at(-1), 'close')
})

test('a socket that neither reads nor has messages to send does not keep the process alive', async t => {
  const listener = await packetListener(t)
  const program = start(t, 'packet-peer.js', [argument(listener.path), 'idle'])
  const { code, output } = await program.ended
  t.deepEqual([code, output], [0, 'over'])
})

test('a listener that throws loses no other message of its turn, and one that destroys gets none', async t => {
  const { code, output, errors } = await start(t, 'packet-throw.js').ended
  t.is(code, 0, errors)
  t.deepEqual(JSON.parse(output), {
    events: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '1', '2', '3', 'close'],
    uncaught: ['0', '2', '4', '6', '8'],
    contexts: ['socket'],
  })
})
