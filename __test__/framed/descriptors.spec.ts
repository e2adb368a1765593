import { openSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { Descriptor, FramedSocket, socketpair } from '../../index.js'
import { closeDescriptors, keepDescriptors, manyDescriptors, waysToReceive } from '../helpers/messages.js'
import { codeOf, descriptors, descriptorsAtRest, eventually, once } from '../helpers/sockets.js'

function sockets(t: ExecutionContext): [FramedSocket, FramedSocket] {
  const pair = socketpair({ receiveDescriptors: 253 }).map(socket => new FramedSocket(socket))
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair as [FramedSocket, FramedSocket]
}

test.before(() => {
  for (const socket of socketpair()) socket.destroy()
})

test.serial('descriptors arrive with their message, and none is left', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  const got: [string, number][] = []
  other.on('message', (message, info) => {
    got.push([String(message), info.descriptors.length])
    t.false(info.truncated)
    closeDescriptors(info)
  })
  one.send('plain')
  one.send('two', { descriptors: [0, Descriptor.from(openSync('/dev/null', 'r'))] })
  one.send('plain again')
  one.send('', { descriptors: [0] })
  await one.sendAndWait('one', { descriptors: [0] })
  one.send('none', { descriptors: [] })
  one.end('last')
  await once(other, 'end')
  t.deepEqual(got, [
    ['plain', 0],
    ['two', 2],
    ['plain again', 0],
    ['', 1],
    ['one', 1],
    ['none', 0],
    ['last', 0],
  ])
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

for (const how of waysToReceive)
  test.serial(`each of thousands of messages has its own descriptors: ${how}`, t =>
    manyDescriptors(t, () => sockets(t), { how, longest: 100_000 }),
  )

test.serial('descriptors of messages stay with them while a loop is busy and both sides have ended', t =>
  keepDescriptors(t, () => sockets(t)),
)

test.serial('plain iteration refuses messages with descriptors, and closes them', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  one.send('first')
  one.send('second', { descriptors: [0] })
  const got: string[] = []
  const iterated = async (): Promise<void> => {
    for await (const message of other) got.push(String(message))
  }
  t.is(await codeOf(iterated()), 'ERR_INVALID_STATE')
  t.deepEqual(got, ['first'])
  one.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

test.serial('descriptors of messages that are not delivered are closed with the socket', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  other.once('message', (_message, info) => {
    closeDescriptors(info)
    other.destroy()
  })
  for (let message = 0; message < 5; message++) one.send('x'.repeat(100), { descriptors: [0, 1] })
  one.on('error', () => {})
  await once(other, 'close')
  t.true(other.socket.destroyed)
  one.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

test.serial('descriptors of messages that resume() discards are closed', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  for (let message = 0; message < 5; message++) one.send('x', { descriptors: [0, 1] })
  one.end()
  other.resume()
  await once(other, 'end')
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
  t.pass()
})

test.serial('a message beyond writeLimit is refused alone, and its descriptors are closed', async t => {
  const before = await descriptorsAtRest()
  const pair = socketpair({ writeLimit: 0, highWaterMark: 1000, receiveDescriptors: 5 })
  const [one, other] = pair.map(socket => new FramedSocket(socket)) as [FramedSocket, FramedSocket]
  const large = Buffer.alloc(2_000_000)
  one.send(large, () => {})
  const error = await new Promise<NodeJS.ErrnoException>(resolve => {
    one.send('more', { descriptors: [Descriptor.duplicate(0)] }, failure => resolve(failure as never))
  })
  t.is(error.code, 'ERR_BACKPRESSURE_LIMIT')
  other.resume()
  await once(one, 'drain')
  await one.sendAndWait('fits', { descriptors: [0] })
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

test('send() checks its options', t => {
  const [one] = sockets(t)
  t.throws(() => one.send('x', { descriptors: ['0' as never] }), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => one.send('x', { descriptor: [0] } as never), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => one.send('x', {}, 'callback' as never), { code: 'ERR_INVALID_ARG_TYPE' })
})
