import test, { type ExecutionContext } from 'ava'
import { adopt, type Descriptor, FramedSocket, socketpair, type UnixSocket } from '../../index.js'
import { eventually, once } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

/** A plain socket, and the FramedSocket of its peer. */
function sockets(t: ExecutionContext): [UnixSocket, FramedSocket] {
  const pair = socketpair()
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return [pair[0], new FramedSocket(pair[1])]
}

/** A FramedSocket of a descriptor, which is destroyed after the test. */
async function adopted(t: ExecutionContext, descriptor: Descriptor): Promise<FramedSocket> {
  const socket = await adopt(descriptor, { type: 'stream' })
  t.teardown(() => socket.destroy())
  return new FramedSocket(socket)
}

/** The bytes of a message on the wire. */
const frame = (text: string): Buffer => Buffer.from(`\0\0\0${String.fromCharCode(text.length)}${text}`)

test('a socket of which a part of a message was read does not leave, and goes on', async t => {
  const whole = frame('in two parts')
  for (const length of [1, 4, 9]) {
    const [peer, framed] = sockets(t)
    const message = once<Buffer>(framed, 'message')
    peer.write(whole.subarray(0, length))
    await eventually('the part has arrived', () => framed.socket.bytesRead === length)
    await t.throwsAsync(framed.socket.detach(), {
      code: 'ERR_INVALID_STATE',
      message: `The FramedSocket holds ${length} bytes of messages that were not delivered; receive them before detach()`,
    })
    peer.write(whole.subarray(length))
    t.is(String(await message), 'in two parts')
    const closing = once(framed, 'close')
    const descriptor = await framed.socket.detach()
    await closing
    peer.write(frame('for the next owner'))
    const next = await adopted(t, descriptor)
    t.is(String(await once(next, 'message')), 'for the next owner')
  }
})

test('a socket with messages that no loop has taken does not leave', async t => {
  const [peer, framed] = sockets(t)
  const messages = framed[Symbol.asyncIterator]()
  const first = messages.next()
  peer.write(Buffer.concat(['one', 'two', 'three'].map(frame)))
  t.is(String((await first).value), 'one')
  await t.throwsAsync(framed.socket.detach(), { code: 'ERR_INVALID_STATE', message: /holds 16 bytes/ })
  for (const expected of ['two', 'three']) t.is(String((await messages.next()).value), expected)
  const descriptor = await framed.socket.detach()
  descriptor.close()
  await t.throwsAsync(messages.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
})

test('what was sent before detach() leaves first', async t => {
  const [peer, framed] = sockets(t)
  const other = new FramedSocket(peer)
  for (let number = 0; number < 500; number++) framed.send(`${number} ${'x'.repeat(5000)}`)
  const received: string[] = []
  other.on('message', message => received.push(String(message).split(' ')[0]!))
  const next = await adopted(t, await framed.socket.detach())
  next.send('500 after')
  await eventually('all', () => received.length === 501)
  t.deepEqual(
    received,
    Array.from({ length: 501 }, (_, number) => `${number}`),
  )
})
