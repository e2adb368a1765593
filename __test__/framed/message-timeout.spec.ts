import test from 'ava'
import { FramedSocket } from '../../index.js'
import { eventually, once, pair, sleep } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { rawPair, recorded } from './helpers.js'

leavesNoDescriptors(test)

/** The first bytes of a message of 8 bytes. */
const beginning = Buffer.from([0, 0, 0, 8, 1, 2, 3])

test('a message that is not complete in time destroys the socket', async t => {
  const { raw, framed } = await rawPair(t, 'path', { messageTimeout: 30 })
  raw.on('error', () => {})
  const events = recorded(framed)
  raw.write(beginning)
  await eventually('it is closed', () => events.includes('close'))
  t.deepEqual(events, ['error ERR_MESSAGE_TIMEOUT', 'close'])
})

test('the time of a part of the header counts, too', async t => {
  const { raw, framed } = await rawPair(t, 'path', { messageTimeout: 30 })
  raw.on('error', () => {})
  const events = recorded(framed)
  raw.write(beginning.subarray(0, 1))
  await eventually('it is closed', () => events.includes('close'))
  t.deepEqual(events, ['error ERR_MESSAGE_TIMEOUT', 'close'])
})

test('bytes that come one by one do not extend the time', async t => {
  const { raw, framed } = await rawPair(t, 'path', { messageTimeout: 100 })
  raw.on('error', () => {})
  const events = recorded(framed)
  raw.write(Buffer.from([0, 1, 0, 0]))
  while (!events.includes('close')) {
    raw.write('x')
    await sleep(5)
  }
  t.deepEqual(events, ['error ERR_MESSAGE_TIMEOUT', 'close'])
})

test('silence between messages and messages in time are no timeout', async t => {
  const { client, server } = await pair(t)
  const sender = new FramedSocket(client)
  const receiver = new FramedSocket(server, { messageTimeout: 1000 })
  const events = recorded(receiver)
  sender.send('one')
  await sleep(1200)
  sender.send('two'.repeat(100_000))
  await eventually('it arrives', () => events.length === 2)
  await sleep(1200)
  sender.end()
  await once(receiver, 'close')
  t.deepEqual(events.slice(2), ['end', 'close'])
})

test('the time during which the receiver pauses does not count', async t => {
  const { raw, framed } = await rawPair(t, 'path', { messageTimeout: 1000 })
  const events = recorded(framed)
  raw.write(beginning)
  await eventually('a part arrives', () => framed.socket.bytesRead > 0)
  framed.pause()
  await sleep(1200)
  raw.end(Buffer.alloc(5))
  framed.resume()
  await once(framed, 'close')
  t.deepEqual(events.slice(1), ['end', 'close'])
})

test('an iteration throws the timeout', async t => {
  const { raw, framed } = await rawPair(t, 'path', { messageTimeout: 30 })
  raw.on('error', () => {})
  raw.write(beginning)
  await t.throwsAsync(framed[Symbol.asyncIterator]().next(), { code: 'ERR_MESSAGE_TIMEOUT' })
})

test('a timeout is an integer of at least one millisecond', async t => {
  const { server } = await pair(t)
  for (const messageTimeout of [0, -1, 0.5, Infinity, 2 ** 31])
    t.throws(() => new FramedSocket(server, { messageTimeout }), { code: 'ERR_OUT_OF_RANGE' })
})
