import { fileURLToPath } from 'node:url'
import test from 'ava'
import { adopt, Descriptor, PacketSocket, socketpair } from '../../index.js'
import { startFile } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { allOf, type } from './helpers.js'

leavesNoDescriptors(test)

test('socketpair() makes two packet sockets that are connected to each other', async t => {
  const [one, other] = socketpair({ type, maxMessageLength: 5 })
  t.true(one instanceof PacketSocket && other instanceof PacketSocket)
  one.send('')
  one.send('five5')
  t.throws(() => one.send('more than five'), { code: 'ERR_FRAME_TOO_LARGE' })
  other.send('back')
  one.end()
  other.end()
  t.deepEqual(await allOf(other), ['', 'five5'])
  t.deepEqual(await allOf(one), ['back'])
  t.deepEqual([one.remotePath, one.localPath], [undefined, undefined])
  t.is(one.peer.pid, process.pid)
})

test('many pairs carry many messages each way in one turn', async t => {
  const pairs = Array.from({ length: 20 }, () => socketpair({ type }))
  const expected = Array.from({ length: 100 }, (_, number) => String(number))
  for (const [one, other] of pairs)
    for (const message of expected) {
      one.send(message)
      other.send(message)
    }
  const received = pairs.flat().map(socket => allOf(socket.end()))
  for (const messages of await Promise.all(received)) t.deepEqual(messages, expected)
})

test('adopt() takes a connected packet socket that a parent has left open', async t => {
  const child = fileURLToPath(new URL('../programs/packet-child.js', import.meta.url))
  const { output } = await startFile(t, 'python3', 'packet-parent.py', [process.execPath, child]).ended
  t.is(output, '4 1 6 0')
})

test('adopt() refuses a socket of another type than it is told', async t => {
  const [stream, peer] = socketpair()
  const descriptor = await stream.detach()
  const error = await t.throwsAsync(adopt(descriptor, { type }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.regex(error!.message, /another type than SOCK_SEQPACKET; adopt\(\) takes a connected .* seqpacket socket/)
  descriptor.close()
  peer.destroy()
})

test('options of socketpair() are checked', t => {
  t.throws(() => socketpair({ type: 'dgram' } as never), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => socketpair({ type, receiveDescriptors: 254 }), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => Descriptor.from(-1), { code: 'ERR_OUT_OF_RANGE' })
})
