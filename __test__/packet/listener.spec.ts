import { statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, listen, type PacketSocket } from '../../index.js'
import { codeOf, directory, eventually, listening, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors, turns } from '../helpers/streams.js'
import { allOf, packetListener, packetPair, type } from './helpers.js'

leavesNoDescriptors(test)

async function echoes(client: PacketSocket, server: PacketSocket): Promise<boolean> {
  const answer = once<Buffer>(client, 'message')
  server.once('message', message => server.send(message))
  client.send('echo')
  return String(await answer) === 'echo'
}

test('mode is exact, and unlinkOnClose removes the file', async t => {
  const path = places.path(t)
  const listener = await listen(path, { type, mode: 0o640, unlinkOnClose: true })
  t.is(statSync(path).mode & 0o777, 0o640)
  await listener.close()
  t.throws(() => statSync(path), { code: 'ENOENT' })
})

test('replaceStale replaces a socket that is gone, and no live one', async t => {
  const path = places.path(t)
  await (await listen(path, { type })).close()
  t.is(await codeOf(listen(path, { type })), 'EADDRINUSE')
  const listener = await listen(path, { type, onExisting: 'replaceStale' })
  t.teardown(() => listener.close())
  t.is(await codeOf(listen(path, { type, onExisting: 'replaceStale' })), 'EADDRINUSE')
})

test('takeOver replaces a live listener for packets, and none for streams', async t => {
  const path = join(directory(t), 's')
  const first = await listen(path, { type })
  t.teardown(() => first.close())
  const superseded = once(first, 'superseded')
  const second = await listen(path, { type, onExisting: 'takeOver' })
  t.teardown(() => second.close())
  const [client, server] = await Promise.all([connect(path, { type }), second.accept()])
  t.true(await echoes(client, server))
  client.destroy()
  server.destroy()
  await superseded
  const streams = await listening(t)
  const error = await t.throwsAsync(listen(streams.path, { type, onExisting: 'takeOver' }), {
    code: 'EADDRINUSE',
  })
  t.regex(error!.message, /no seqpacket socket file/)
})

test('only allowed peers are handed out', async t => {
  const listener = await packetListener(t, 'path', { allow: { uids: [process.getuid!() + 1] } })
  const client = await connect(listener.path, { type })
  client.on('error', () => {}).send('ignored')
  const accepted = listener.accept()
  await once(client, 'close')
  t.is(listener.refused, 1)
  await listener.close()
  await t.throwsAsync(accepted, { code: 'ERR_LISTENER_CLOSED' })
  const own = await packetListener(t, 'path', { allow: 'self' })
  const [ours, server] = await Promise.all([connect(own.path, { type }), own.accept()])
  t.true(await echoes(ours, server))
  ours.destroy()
  server.destroy()
})

test('maxConnections counts packet sockets until they are closed', async t => {
  const {
    client,
    server: first,
    listener,
  } = await packetPair(t, 'path', { maxConnections: 1, overflow: 'drop' })
  const dropped = once(listener, 'drop')
  const second = await connect(listener.path, { type })
  await Promise.all([dropped, once(second, 'close')])
  client.destroy()
  await once(first, 'close')
  const third = await connect(listener.path, { type })
  const server = await listener.accept()
  t.true(await echoes(third, server))
  third.destroy()
  server.destroy()
})

test('an aborted accept has taken no connection', async t => {
  const listener = await packetListener(t)
  const controller = new AbortController()
  const aborted = listener.accept({ signal: controller.signal })
  const client = await connect(listener.path, { type })
  controller.abort()
  t.is(await codeOf(aborted), 'ABORT_ERR')
  const server = await listener.accept()
  t.true(await echoes(client, server))
  client.destroy()
  server.destroy()
})

test('an aborted connect leaves nothing, and a full backlog is waited for', async t => {
  const listener = await packetListener(t, 'abstract name', { backlog: 0 })
  const first = await connect(listener.path, { type })
  await t.throwsAsync(connect(listener.path, { type, timeout: 20 }), { code: 'ETIMEDOUT' })
  const controller = new AbortController()
  const aborted = connect(listener.path, { type, signal: controller.signal })
  controller.abort()
  t.is(await codeOf(aborted), 'ABORT_ERR')
  const waiting = connect(listener.path, { type })
  const servers = [await listener.accept(), await listener.accept()]
  const second = await waiting
  t.true(await echoes(second, servers[1]!))
  for (const socket of [first, second, ...servers]) socket.destroy()
})

test('a listener that drains hands out the connections that wait', async t => {
  const listener = await packetListener(t)
  const clients = await Promise.all([1, 2].map(() => connect(listener.path, { type })))
  clients.forEach((client, index) => client.end(`message ${index}`))
  await listener.close({ drain: true })
  const received: string[] = []
  for await (const server of listener) received.push(...(await allOf(server)))
  t.deepEqual(received, ['message 0', 'message 1'])
  await eventually('the clients are closed', async () => {
    await turns(1)
    return clients.every(client => client.bytesWritten === 9)
  })
})

test('peerUid checks the listener before a message is sent', async t => {
  const listener = await packetListener(t)
  const uid = process.getuid!()
  await t.throwsAsync(connect(listener.path, { type, peerUid: uid + 1 }), { code: 'ERR_PEER_REFUSED' })
  await (await listener.accept()).destroy()
  const client = await connect(listener.path, { type, peerUid: uid })
  client.destroy()
})
