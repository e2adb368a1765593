// The first import, because it chooses the addon.
import { panicIn } from './addon.js'

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, listen } from '../../index.js'
import { directory, listening, once, receiveAll } from '../helpers/sockets.js'
import { bystanders, internal, live } from './helpers.js'

test.serial('the thread that waits goes on after a panic of its own', async t => {
  // The first use in this process starts it.
  panicIn('runtime', 3)
  await live(t, await bystanders(t))
})

test.serial(
  'a panic of a connect() that waits fails it alone, and the next in the queue has its turn',
  async t => {
    const others = await bystanders(t)
    const full = await listening(t, 'path', { backlog: 0 })
    const first = await connect(full.path)
    panicIn('connecting')
    const [second, third] = [connect(full.path), connect(full.path)]
    await t.throwsAsync(second, internal)
    const servers = [await full.accept(), await full.accept()]
    const last = await third
    last.end('hello')
    t.is(String(await receiveAll(servers[1]!)), 'hello')
    for (const socket of [...servers, first, last]) socket.destroy()
    await live(t, others)
  },
)

for (const place of ['listening', 'bind', 'mail']) {
  test.serial(`a panic while a listener is bound (${place}) fails listen() alone`, async t => {
    const others = await bystanders(t)
    const path = join(directory(t), 's')
    panicIn(place)
    await t.throwsAsync(listen(path), internal)
    await live(t, others)
    const listener = await listen(path, { onExisting: 'replaceStale', unlinkOnClose: true })
    await listener.close()
    t.false(existsSync(path))
  })
}

test.serial('the path of a listener is watched also after a panic', async t => {
  const others = await bystanders(t)
  const first = await listening(t)
  const superseded = once(first, 'superseded')
  panicIn('path', 2)
  const second = await listen(first.path, { onExisting: 'takeOver' })
  await superseded
  await second.close()
  await live(t, others)
})

test.serial('a listener whose file cannot be removed, because of a panic, closes', async t => {
  const others = await bystanders(t)
  const listener = await listen(join(directory(t), 's'), { unlinkOnClose: true })
  panicIn('removing')
  await listener.close()
  await live(t, others)
})
