// The first import, because it chooses the addon.
import { panicIn } from './addon.js'

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, listen } from '../../index.js'
import * as net from '../../net.js'
import { directory, listening, once, pair } from '../helpers/sockets.js'
import { bystanders, internal, live } from './helpers.js'

test.serial('a panic while a connection is made fails connect() alone', async t => {
  const others = await bystanders(t)
  panicIn('try_connect')
  await t.throwsAsync(connect(others.listener.path), internal)
  await live(t, others)
})

test.serial('a panic while a full backlog is to be waited for fails that connect() alone', async t => {
  const others = await bystanders(t)
  const full = await listening(t, 'path', { backlog: 0 })
  const first = await connect(full.path)
  t.teardown(() => first.destroy())
  panicIn('connect')
  await t.throwsAsync(connect(full.path), internal)
  await live(t, others)
})

test.serial('a panic while a listener is made fails listen() alone, and the path is free', async t => {
  const others = await bystanders(t)
  const path = join(directory(t), 's')
  panicIn('listen')
  await t.throwsAsync(listen(path), internal)
  await live(t, others)
  panicIn('allow')
  await t.throwsAsync(listen(path, { allow: 'self' }), internal)
  t.false(existsSync(path))
  await live(t, others)
  await (await listen(path)).close()
})

test.serial('a panic while a descriptor is taken over leaves it to its giver', async t => {
  const others = await bystanders(t)
  panicIn('adopt')
  await t.throwsAsync(listen({ fd: 0 }), internal)
  await live(t, others)
  panicIn('adopt')
  t.throws(() => new net.Socket({ fd: 0 }), internal)
  await live(t, others)
})

test.serial("a panic in udsock/net is an 'error' of the server or the socket", async t => {
  const others = await bystanders(t)
  const server = net.createServer()
  panicIn('listen_now')
  server.listen(join(directory(t), 's'))
  t.like(await once(server, 'error'), internal)
  t.false(server.listening)
  await live(t, others)
  panicIn('try_connect')
  const socket = net.connect(String(others.listener.path))
  t.like(await once(socket, 'error'), internal)
  await live(t, others)
})

test.serial('a listener closes whatever panics on the way', async t => {
  const others = await bystanders(t)
  for (const [place, drain] of [
    ['remove_file', false],
    ['forget', false],
    ['keep_alive', false],
    ['refuse_newcomers', true],
  ] as const) {
    const path = join(directory(t), 's')
    const listener = await listen(path, { unlinkOnClose: true })
    panicIn(place, 1)
    await listener.close({ drain })
    await listener.close()
    t.true(listener.closed, place)
    await t.throwsAsync(connect(path), { code: place === 'remove_file' ? 'ECONNREFUSED' : 'ENOENT' })
    // What keeps the process alive is asked for only when that changes.
    if (place === 'keep_alive') panicIn(place, 0)
    await live(t, others)
  }
})

test.serial('a listener that is given up while it is made answers also after a panic', async t => {
  const others = await bystanders(t)
  const controller = new AbortController()
  panicIn('cancel_listen')
  const made = listen(join(directory(t), 's'), { signal: controller.signal })
  controller.abort()
  await t.throwsAsync(made, { code: 'ABORT_ERR' })
  await live(t, others)
})

test.serial('a panic in a question is an answer', async t => {
  const others = await bystanders(t)
  const { client, server, listener } = await pair(t)
  panicIn('address')
  t.is(server.remotePath, undefined)
  await live(t, others)
  panicIn('is_acceptable')
  // The accept() gets the error, if there still is one.
  await listener.ready()
  await live(t, others)
  client.end()
  server.end()
})
