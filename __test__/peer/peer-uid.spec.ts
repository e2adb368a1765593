import { chmodSync } from 'node:fs'
import { createServer } from 'node:net'
import test from 'ava'
import { connect } from '../../index.js'
import { startFile } from '../helpers/program.js'
import { directory, everyPlace, listening, once, places, receiveAll } from '../helpers/sockets.js'
import { me, python, settledSoon, withUsers } from './helpers.js'

for (const place of everyPlace) {
  test(`connect with peerUid takes the listener of this user (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { allow: 'self' })
    for (const peerUid of [me, [me], [me + 1, me]]) {
      const client = await connect(listener.path, { peerUid })
      const server = await listener.accept()
      t.deepEqual([client.peer.uid, server.peer.uid], [me, me])
      client.end('hello')
      t.is(String(await receiveAll(server)), 'hello')
      client.destroy()
      server.destroy()
    }
  })

  test(`connect with another peerUid rejects, and the listener reads an end without a byte (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const shown =
      typeof listener.path === 'string'
        ? listener.path
        : `@${Buffer.from(listener.path as Uint8Array)
            .toString()
            .slice(1)}`
    for (const [peerUid, expected] of [
      [me + 1, `${me + 1}`],
      [[me + 1, me + 2], `${me + 1}, ${me + 2}`],
    ] as const) {
      const error = await t.throwsAsync<NodeJS.ErrnoException & { address?: string }>(
        connect(listener.path, { peerUid }),
        { code: 'ERR_PEER_REFUSED' },
      )
      t.is(
        error?.message,
        `connect ${shown}: the listener has the uid ${me}, but options.peerUid allows only ${expected}`,
      )
      t.deepEqual([error?.syscall, error?.address], ['connect', shown])
      const server = await listener.accept()
      t.is((await receiveAll(server)).length, 0)
      server.destroy()
    }
  })

  test(`connect with another peerUid rejects behind a full backlog, too (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 0 })
    const first = await connect(listener.path)
    const second = connect(listener.path, { peerUid: me + 1 })
    const third = connect(listener.path, { peerUid: me })
    t.is(await settledSoon(second.catch(() => {})), 'pending')
    const servers = [await listener.accept()]
    await t.throwsAsync(second, { code: 'ERR_PEER_REFUSED' })
    servers.push(await listener.accept())
    t.is((await receiveAll(servers[1]!)).length, 0)
    servers.push(await listener.accept())
    for (const socket of [first, await third, ...servers]) socket.destroy()
  })
}

test('a listener that speaks first reads a clean end when its client refuses it', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const ends: Promise<unknown>[] = []
  const server = createServer(socket => {
    socket.write('x'.repeat(1000))
    // EPIPE is the error of a write; that of a read would be ECONNRESET.
    ends.push(
      Promise.race([
        once(socket.resume(), 'end').then(() => 'end'),
        once<NodeJS.ErrnoException>(socket, 'error'),
      ]),
    )
  })
  server.listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  for (let round = 0; round < 200; round++)
    await t.throwsAsync(connect(path, { peerUid: me + 1 }), { code: 'ERR_PEER_REFUSED' })
  while (ends.length < 200) await new Promise(resolve => setImmediate(resolve))
  const unclean = (await Promise.all(ends)).filter(
    end => end !== 'end' && (end as NodeJS.ErrnoException).code !== 'EPIPE',
  )
  t.deepEqual(unclean, [])
})

withUsers("a client's peer is the process that called listen(), even if another accepts", async t => {
  t.timeout(30_000)
  const home = directory(t)
  chmodSync(home, 0o755)
  const path = `${home}/s`
  const activator = startFile(t, python, 'activator.py', [path, '1234'])
  await activator.prints('listening')
  const client = await connect(path, { peerUid: me })
  t.is(String(await receiveAll(client)), `accepted as 1234`)
  t.is(client.peer.uid, me)
  client.destroy()
  await t.throwsAsync(connect(path, { peerUid: 1234 }), {
    code: 'ERR_PEER_REFUSED',
    message: /uid 0, but options.peerUid allows only 1234$/,
  })
})
