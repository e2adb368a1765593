import test, { type ExecutionContext } from 'ava'
import { connect, Descriptor, listen, type PacketSocket, socketpair } from '../../index.js'
import { closeDescriptors, keepDescriptors, manyDescriptors, waysToReceive } from '../helpers/messages.js'
import { codeOf, descriptors, descriptorsAtRest, eventually, once, places } from '../helpers/sockets.js'

// macOS has no such sockets.
const withPackets = process.platform === 'darwin' ? test.skip : test.serial

function sockets(t: ExecutionContext, receiveDescriptors = 253): [PacketSocket, PacketSocket] {
  const pair = socketpair({ type: 'seqpacket', receiveDescriptors })
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

/** Waits for a message; resolves with how many descriptors it has. */
const received = (socket: PacketSocket): Promise<number> =>
  new Promise(resolve => {
    socket.on('message', (_message, info) => {
      resolve(info.descriptors.length)
      closeDescriptors(info)
    })
  })

test.before(() => {
  for (const socket of socketpair()) socket.destroy()
})

withPackets('descriptors arrive with their record, also with an empty one, and none is left', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  const got: [string, number, boolean][] = []
  other.on('message', (message, info) => {
    got.push([String(message), info.descriptors.length, info.truncated])
    closeDescriptors(info)
  })
  one.send('plain')
  one.send('two', { descriptors: [0, Descriptor.duplicate(0)] })
  one.send('', { descriptors: [0] })
  one.send('plain again')
  await one.sendAndWait('most', { descriptors: Array.from({ length: 253 }, () => 0) })
  one.end('last')
  await once(other, 'end')
  t.deepEqual(got, [
    ['plain', 0, false],
    ['two', 2, false],
    ['', 1, false],
    ['plain again', 0, false],
    ['most', 253, false],
    ['last', 0, false],
  ])
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

for (const how of waysToReceive)
  withPackets(`each of thousands of records has its own descriptors: ${how}`, t =>
    manyDescriptors(t, () => sockets(t), { how, longest: 60_000 }),
  )

withPackets('a listener and connect() of packets take descriptors when asked', async t => {
  const listener = await listen(places.path(t), { type: 'seqpacket', receiveDescriptors: 1 })
  t.teardown(() => listener.close())
  const [client, server] = await Promise.all([
    connect(listener.path, { type: 'seqpacket', receiveDescriptors: 2 }),
    listener.accept(),
  ])
  const both = Promise.all([received(client), received(server)])
  client.send('one', { descriptors: [0] })
  server.send('two', { descriptors: [0, 1] })
  t.deepEqual(await both, [2, 1])
  client.destroy()
  server.destroy()
})

withPackets('more descriptors than asked for are closed, and the loss is an error', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t, 2)
  const got: string[] = []
  other.on('message', message => got.push(String(message)))
  one.on('error', () => {})
  one.send('before')
  one.send('lost', { descriptors: [0, 1, 2] })
  one.send('behind')
  const error = await once<NodeJS.ErrnoException>(other, 'error')
  t.is(error.code, 'ERR_DESCRIPTORS_LOST')
  t.deepEqual(got, ['before'])
  one.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})

withPackets('descriptors of records stay with them while a loop is busy and both sides have ended', t =>
  keepDescriptors(t, () => sockets(t)),
)

withPackets('plain iteration refuses records with descriptors, and closes them', async t => {
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

withPackets('descriptors that are unread, undelivered or unsent are closed with the sockets', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  other.once('message', (_message, info) => {
    closeDescriptors(info)
    other.destroy()
  })
  one.on('error', () => {})
  let refused = 0
  for (let message = 0; message < 50; message++)
    one.send(Buffer.alloc(30_000), { descriptors: [0, Descriptor.duplicate(0)] }, error => {
      if (error) refused++
    })
  await once(other, 'close')
  one.destroy()
  await eventually('all are closed', () => descriptors() <= before && refused > 0)
  t.pass()
})

withPackets('a record that the kernel refuses is refused alone, and its descriptors are closed', async t => {
  const before = await descriptorsAtRest()
  const pair = socketpair({ type: 'seqpacket', receiveDescriptors: 1, maxMessageLength: 262_144 })
  const [one] = pair
  const error = await one.sendAndWait(Buffer.alloc(262_144), { descriptors: [0] }).then(
    () => undefined,
    (failure: NodeJS.ErrnoException) => failure.code,
  )
  // Where the system's limit is larger, it is sent.
  t.true(error === 'EMSGSIZE' || error === undefined, error)
  await one.sendAndWait('small', { descriptors: [0] })
  for (const socket of pair) socket.destroy()
  await eventually('all are closed', () => descriptors() <= before)
})
