import test from 'ava'
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { connect, listen, type UnixListener } from '../../index.js'
import { directory, eventually, once, places, receiveAll, sleep } from '../helpers/sockets.js'
import { echoEverything, requestsUnder } from '../helpers/takeover.js'

/** The events of a listener, in order, with the milliseconds since now. */
function events(listener: UnixListener): { names: string[]; times: number[] } {
  const seen = { names: [] as string[], times: [] as number[] }
  const start = performance.now()
  for (const name of ['superseded', 'pathlost', 'close'] as const)
    listener.on(name, () => {
      seen.names.push(name)
      seen.times.push(performance.now() - start)
    })
  return seen
}

test('a listener that is taken over reports it, goes on for a second, and closes; the path is the newcomer’s', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const old = await listen(path, { unlinkOnClose: true })
  void echoEverything(old)
  const seen = events(old)
  const newcomer = await listen(path, { onExisting: 'takeOver', unlinkOnClose: true })
  t.deepEqual([newcomer.path, readdirSync(dirname(path))], [path, ['s']])
  const [client, server] = await Promise.all([connect(path), newcomer.accept()])
  t.deepEqual([client.remotePath, server.localPath], [path, path])
  client.destroy()
  server.destroy()
  await once(old, 'close')
  t.deepEqual(seen.names, ['superseded', 'close'])
  t.true(seen.times[0]! < 1000, `superseded after ${seen.times[0]} ms`)
  t.true(seen.times[1]! - seen.times[0]! >= 990, `it went on for a second: ${seen.times}`)
  // The one that closed has left the newcomer's file alone.
  t.true(existsSync(path))
  t.false(newcomer.closed)
  await newcomer.close()
  t.false(existsSync(path))
})

test('what waits at a listener that was taken over is still handed out, however long that takes', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const old = await listen(path, { backlog: 16 })
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(path)))
  const superseded = once(old, 'superseded')
  const newcomer = await listen(path, { onExisting: 'takeOver' })
  await superseded
  await sleep(1500)
  t.false(old.closed)
  for (const [index, client] of clients.entries()) {
    const server = await old.accept()
    server.end(String(index))
    t.is(String(await receiveAll(client)), String(index))
    client.destroy()
  }
  await eventually('it closes when nothing waits', () => old.closed)
  await t.throwsAsync(old.accept(), { code: 'ERR_LISTENER_CLOSED' })
  await newcomer.close()
})

test('30 takeovers under load: every request is answered', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  const { requests, takeovers, closed } = await requestsUnder(path, 30, 1000)
  t.is(takeovers, 30)
  t.is(closed, 30)
  t.true(requests >= 1000, `${requests} requests`)
  t.deepEqual(readdirSync(dirname(path)), ['s'])
})

test('a server of node:net is taken over, too', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const old = createServer(socket => socket.end('old'))
  await new Promise<void>(resolve => old.listen(path, resolve))
  const listener = await listen(path, { onExisting: 'takeOver' })
  const client = await connect(path)
  const server = await listener.accept()
  server.end('new')
  t.is(String(await receiveAll(client)), 'new')
  client.destroy()
  // node:net's server deletes the file at its path when it closes, as docs/operations.md says.
  await new Promise(resolve => old.close(resolve))
  t.false(existsSync(path))
  t.deepEqual(await once(listener, 'pathlost'), undefined)
  t.false(listener.closed)
  await listener.close()
})

for (const [what, spoil] of Object.entries({
  removed: (path: string) => unlinkSync(path),
  'moved away': (path: string) => renameSync(path, `${path}-aside`),
  'replaced by a file': (path: string) => {
    unlinkSync(path)
    writeFileSync(path, 'text')
  },
  'replaced by a directory': (path: string) => {
    unlinkSync(path)
    mkdirSync(path)
  },
})) {
  test(`a listener whose file is ${what} reports it within a second, once, and serves on`, async t => {
    t.timeout(30_000)
    const path = places.path(t)
    const listener = await listen(path, { unlinkOnClose: true })
    const client = await connect(path)
    const seen = events(listener)
    spoil(path)
    const left = readdirSync(dirname(path))
    await once(listener, 'pathlost')
    t.true(seen.times[0]! < 1000, `after ${seen.times[0]} ms`)
    const server = await listener.accept()
    server.end('served')
    t.is(String(await receiveAll(client)), 'served')
    client.destroy()
    await sleep(1200)
    t.deepEqual(seen.names, ['pathlost'])
    t.false(listener.closed)
    // What stands there is not this listener's to remove.
    await listener.close()
    t.deepEqual(readdirSync(dirname(path)), left)
  })
}

test('a file that is another server’s after it was lost means superseded', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const listener = await listen(path)
  const seen = events(listener)
  unlinkSync(path)
  await once(listener, 'pathlost')
  const newcomer = await listen(path)
  await once(listener, 'close')
  t.deepEqual(seen.names, ['pathlost', 'superseded', 'close'])
  t.true(lstatSync(path).isSocket())
  await newcomer.close()
})

test('a temporary name that does not fit is refused, with what it is about', async t => {
  const home = directory(t)
  const long = `${home}/${'d'.repeat(103 - home.length)}`
  mkdirSync(long)
  const error = await t.throwsAsync(listen(`${long}/s`, { onExisting: 'takeOver' }), {
    code: 'ENAMETOOLONG',
    message: /temporary name/,
  })
  t.is((error as NodeJS.ErrnoException & { address?: string }).address, `${long}/s`)
  t.deepEqual(readdirSync(long), [])
})
