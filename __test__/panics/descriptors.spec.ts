// The first import, because it chooses the addon.
import { panicIn } from './addon.js'

import test, { type ExecutionContext } from 'ava'
import { Descriptor, FramedSocket, socketpair, type UnixSocket } from '../../index.js'
import { descriptors, eventually } from '../helpers/sockets.js'
import { bystanders, failure, internal, live } from './helpers.js'

function sockets(t: ExecutionContext): [UnixSocket, UnixSocket] {
  const pair = socketpair({ receiveDescriptors: 5 })
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

/** The functions that send descriptors, with what they send. */
const sends = { write_with: () => Descriptor.duplicate(0), write_lent: () => 0 }

for (const [name, descriptorOf] of Object.entries(sends))
  test.serial(`a panic in ${name} fails that connection, and leaves no descriptor`, async t => {
    const others = await bystanders(t)
    const before = descriptors()
    const [one, other] = sockets(t)
    panicIn(name)
    const failed = failure(one)
    const told = new Promise(resolve => one.write('x', { descriptors: [descriptorOf()] }, resolve))
    t.like(await failed, internal)
    t.like(await told, internal)
    other.destroy()
    await eventually('all are closed', () => descriptors() <= before)
    await live(t, others)
  })

test.serial('a panic while descriptors are taken fails that connection, and leaves none', async t => {
  const others = await bystanders(t)
  const before = descriptors()
  const [one, other] = sockets(t)
  other.on('descriptors', () => t.fail())
  other.resume()
  panicIn('take_descriptors')
  const failed = failure(other)
  one.on('error', () => {})
  one.write('x', { descriptors: [0, 1] })
  t.like(await failed, internal)
  one.destroy()
  await eventually('all are closed', () => descriptors() <= before)
  await live(t, others)
})

test.serial(
  'a panic in a call about descriptors is thrown, and what it concerns stays as it was',
  async t => {
    const others = await bystanders(t)
    panicIn('pair')
    t.throws(() => socketpair(), internal)
    for (const call of ['duplicate_descriptor', 'hold_descriptor']) {
      panicIn(call)
      t.throws(() => (call.startsWith('hold') ? Descriptor.from(0) : Descriptor.duplicate(0)), internal)
    }
    const [one, other] = sockets(t)
    panicIn('detach')
    await t.throwsAsync(one.detach(), internal)
    const framed = new FramedSocket(other)
    one.end(Buffer.from([0, 0, 0, 1, 7]))
    for await (const message of framed) t.deepEqual([...message], [7])
    await live(t, others)
  },
)
