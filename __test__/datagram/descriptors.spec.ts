import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import test from 'ava'
import { Descriptor, type DatagramInfo, type DatagramSocket } from '../../index.js'
import { descriptors, descriptorsAtRest, eventually } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { boundSocket, fill, recorded, socketAt } from './helpers.js'

leavesNoDescriptors(test)

const received = (socket: DatagramSocket): Promise<[Buffer, DatagramInfo]> =>
  new Promise(resolve => socket.once('message', (...args) => resolve(args)))

test.serial('descriptors arrive with their message, also with an empty one', async t => {
  const server = await boundSocket(t, 'path', { receiveDescriptors: 2 })
  const client = await boundSocket(t)
  const file = openSync('/proc/self/stat', 'r')
  const owned = Descriptor.duplicate(file)
  client.send('without', { to: server.path })
  const sent = client.sendAndWait('', { to: server.path, descriptors: [file, owned] })
  t.is(owned.fd, -1)
  closeSync(file)
  await sent
  t.deepEqual((await received(server))[1].descriptors, [])
  const [message, info] = await received(server)
  t.deepEqual([message.length, info.descriptors.length, info.from], [0, 2, client.path])
  for (const descriptor of info.descriptors) {
    t.is(readSync(descriptor.fd, Buffer.alloc(10), 0, 10, 0), 10)
    descriptor.close()
  }
})

test.serial('more descriptors than are received are closed and reported, and the socket goes on', async t => {
  const server = await boundSocket(t, 'path', { receiveDescriptors: 1 })
  const client = await socketAt(t)
  const events = recorded(server)
  await client.sendAndWait('two', { to: server.path, descriptors: [0, 1] })
  await client.sendAndWait('none', { to: server.path })
  await eventually('both', () => events.length === 3)
  t.deepEqual(events, ['error ERR_DESCRIPTORS_LOST', 'two', 'none'])
})

test.serial('descriptors that nobody asked for are refused or closed', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  const events = recorded(server)
  const before = await descriptorsAtRest()
  const outcome = await client.sendAndWait('with one', { to: server.path, descriptors: [0] }).then(
    () => 'with one',
    (error: { code: string }) => error.code,
  )
  await client.sendAndWait('last', { to: server.path })
  await eventually('the last', () => events.includes('last'))
  t.deepEqual(events, outcome === 'with one' ? ['with one', 'last'] : ['last'])
  await eventually('they are closed', () => descriptors() === before)
})

test.serial('a message whose descriptors cannot be sent takes them with it', async t => {
  const client = await socketAt(t)
  const file = Descriptor.duplicate(0)
  const to = `${(await boundSocket(t)).path}-none`
  await t.throwsAsync(client.sendAndWait('', { to, descriptors: [file] }), { code: 'ENOENT' })
  t.is(file.fd, -1)
  t.throws(() => client.send('', { to, descriptors: [-1] }), { code: 'EBADF' })
  t.throws(() => client.send('', { to, descriptors: Array(254).fill(0) }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.truthy(fstatSync(0))
})

test.serial(
  'descriptors that wait for a full receiver are closed with the socket, and those that arrive unread, too',
  async t => {
    const server = await boundSocket(t, 'path', { receiveDescriptors: 8 })
    const client = await socketAt(t)
    await client.sendAndWait('', { to: server.path, descriptors: [0, 1] })
    await fill(client, server.path)
    const waiting = client.sendAndWait('', { to: server.path, descriptors: [0] })
    client.destroy()
    await t.throwsAsync(waiting, { code: 'ERR_STREAM_DESTROYED' })
    server.once('message', (_message, info) => {
      for (const descriptor of info.descriptors) descriptor.close()
      server.destroy()
    })
    await eventually('it is closed', () => server.closed)
  },
)
