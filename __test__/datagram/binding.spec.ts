import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { bindDatagram, listen } from '../../index.js'
import { atOnce, closed, directory, eventually, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { boundSocket, recorded, socketAt, take } from './helpers.js'

leavesNoDescriptors(test)

test('the socket file has exactly the mode that was asked for, and goes with unlinkOnClose', async t => {
  const path = places.path(t)
  const socket = await socketAt(t, path, { mode: 0o626, unlinkOnClose: true })
  t.is(statSync(path).mode & 0o777, 0o626)
  t.true(statSync(path).isSocket())
  await socket.close()
  t.false(existsSync(path))
})

test('by default the file stays, and is in the way of the next socket', async t => {
  const path = places.path(t)
  const first = await socketAt(t, path)
  await t.throwsAsync(bindDatagram(path), { code: 'EADDRINUSE', message: /^bind EADDRINUSE / })
  await t.throwsAsync(bindDatagram(path, { onExisting: 'replaceStale' }), {
    code: 'EADDRINUSE',
    message: /a socket is bound there/,
  })
  await first.close()
  t.true(existsSync(path))
  await t.throwsAsync(bindDatagram(path), { code: 'EADDRINUSE', message: /replaceStale/ })
  const second = await socketAt(t, path, { onExisting: 'replaceStale' })
  await second.sendAndWait('to itself', { to: path })
  t.deepEqual(await take(second, 1), ['to itself'])
})

test('a file that is no datagram socket is never replaced', async t => {
  const dir = directory(t)
  writeFileSync(`${dir}/file`, 'content')
  const listener = await listen(`${dir}/stream`)
  t.teardown(() => listener.close())
  for (const onExisting of ['error', 'replaceStale', 'takeOver'] as const)
    for (const name of ['file', 'stream'])
      await t.throwsAsync(bindDatagram(`${dir}/${name}`, { onExisting }), { code: 'EADDRINUSE' })
  await t.throwsAsync(bindDatagram(`${dir}/none/s`), { code: 'ENOENT', message: /no directory/ })
})

test('a socket that takes the path over gets what is sent from then on; the former one is told', async t => {
  const path = places.path(t)
  const first = await socketAt(t, path, { unlinkOnClose: true })
  const client = await socketAt(t)
  await client.sendAndWait('one', { to: path })
  const superseded = once(first, 'superseded')
  const second = await socketAt(t, path, { onExisting: 'takeOver', unlinkOnClose: true })
  await superseded
  await client.sendAndWait('two', { to: path })
  t.deepEqual(await take(first, 1), ['one'])
  await first.close()
  t.true(existsSync(path))
  t.deepEqual(await take(second, 1), ['two'])
})

test('a file that is moved away is reported, and the socket goes on', async t => {
  const path = places.path(t)
  const socket = await socketAt(t, path)
  const events = recorded(socket)
  const client = await socketAt(t)
  await client.connect(path)
  renameSync(path, `${path}2`)
  await eventually("'pathlost'", () => events.length === 1)
  await client.sendAndWait('one')
  await client.sendAndWait('two', { to: `${path}2` })
  await eventually('the messages', () => events.length === 3)
  t.deepEqual(events, ['pathlost', 'one', 'two'])
})

test('a signal ends the binding, or destroys the socket', async t => {
  const path = places.path(t)
  const aborted = AbortSignal.abort()
  for (const target of [path, undefined, { autobind: true } as const])
    await t.throwsAsync(bindDatagram(target, { signal: aborted }), { code: 'ABORT_ERR' })
  t.false(existsSync(path))
  const early = new AbortController()
  const binding = bindDatagram(path, { signal: early.signal })
  early.abort()
  await t.throwsAsync(binding, { code: 'ABORT_ERR' })
  t.false(existsSync(path))
  const late = new AbortController()
  const socket = await socketAt(t, path, { signal: late.signal, unlinkOnClose: true })
  late.abort()
  await closed(socket)
  t.false(existsSync(path))
})

test('the path is copied, and a relative one is completed, at the call', async t => {
  const bytes = Buffer.from(places.path(t))
  const binding = socketAt(t, bytes)
  const expected = Buffer.from(bytes)
  bytes.fill(0x78)
  const socket = await binding
  t.deepEqual(Buffer.from(socket.path as Uint8Array), expected)
  t.true(existsSync(expected))
})

test('an abstract name is taken once, and free again after close()', async t => {
  const name = places['abstract name']()
  const first = await socketAt(t, name)
  await t.throwsAsync(bindDatagram(name), { code: 'EADDRINUSE' })
  await t.throwsAsync(bindDatagram(name, { onExisting: 'takeOver' }), { code: 'ERR_INVALID_ARG_VALUE' })
  await first.close()
  const second = await socketAt(t, name)
  t.deepEqual(second.path, name)
})

test('unread messages are lost at close(), which waits for no sender', async t => {
  const server = await boundSocket(t)
  const client = await socketAt(t)
  await client.connect(server.path!)
  await client.sendAndWait('unread')
  t.is(await atOnce(server.close().then(() => once(server, 'never'))), 'pending')
  await closed(server)
  await t.throwsAsync(client.sendAndWait('late'), { code: 'ECONNREFUSED' })
})
