import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import test from 'ava'
import { connect, listen } from '../../index.js'
import { countedSignal } from '../helpers/signals.js'
import {
  closed,
  codeOf,
  descriptors,
  directory,
  eventually,
  everyPlace,
  places,
  sleep,
} from '../helpers/sockets.js'

for (const place of everyPlace) {
  test.serial(`connect waits for a listener that comes later, at a ${place}`, async t => {
    const path = places[place](t)
    const connecting = connect(path, { waitForListener: true })
    await sleep(100)
    const listener = await listen(path)
    t.teardown(() => listener.close())
    const [client, server] = await Promise.all([connecting, listener.accept()])
    t.deepEqual(client.remotePath, path)
    client.end('bytes')
    const chunks: Buffer[] = []
    for await (const chunk of server) chunks.push(chunk as Buffer)
    t.is(String(Buffer.concat(chunks)), 'bytes')
    client.destroy()
    server.destroy()
  })

  test.serial(`at the timeout connect rejects with the error of the last attempt, at a ${place}`, async t => {
    const begun = performance.now()
    const error = await t.throwsAsync<NodeJS.ErrnoException>(
      connect(places[place](t), { waitForListener: true, timeout: 300 }),
    )
    t.is(error?.code, place === 'path' ? 'ENOENT' : 'ECONNREFUSED')
    t.is(error?.syscall, 'connect')
    t.true(performance.now() - begun >= 299)
  })
}

test.serial('connect waits for a directory, and for a file that no process listens at', async t => {
  const path = `${directory(t)}/later/s`
  const connecting = connect(path, { waitForListener: true })
  await sleep(20)
  mkdirSync(dirname(path))
  await sleep(20)
  const first = await listen(path)
  renameSync(path, `${path}.stale`)
  await first.close()
  await sleep(20)
  renameSync(`${path}.stale`, path)
  await sleep(20)
  const second = await listen(path, { onExisting: 'replaceStale' })
  t.teardown(() => second.close())
  const client = await connecting
  client.destroy()
  t.pass()
})

test.serial(
  "connect waits for node:net's server and for a listener whose file is renamed into place",
  async t => {
    const path = places.path(t)
    const connecting = connect(path, { waitForListener: true })
    await sleep(20)
    const server = createServer(socket => socket.end('bytes'))
    await new Promise<void>(resolve => server.listen(`${path}.new`, resolve))
    renameSync(`${path}.new`, path)
    const client = await connecting
    t.is(String(await new Promise(resolve => client.once('data', resolve))), 'bytes')
    client.destroy()
    await new Promise(resolve => server.close(resolve))
  },
)

test.serial('an abort ends the wait, and leaves no listener of the signal and no descriptor', async t => {
  const path = places.path(t)
  await connect(path, { waitForListener: true, timeout: 10 }).catch(() => {})
  const before = descriptors()
  const { controller, signal, listeners } = countedSignal()
  const connecting = connect(path, { waitForListener: true, signal })
  await sleep(30)
  controller.abort('enough')
  const error = await t.throwsAsync<Error & { code: string }>(connecting)
  t.is(error?.code, 'ABORT_ERR')
  t.is(error?.cause, 'enough')
  t.is(listeners(), 0)
  await eventually('no descriptor is left', () => descriptors() <= before)
})

test.serial(
  'without waitForListener, with no time, and for other failures connect does not wait',
  async t => {
    const path = places.path(t)
    t.is(await codeOf(connect(path)), 'ENOENT')
    t.is(await codeOf(connect(path, { waitForListener: false })), 'ENOENT')
    t.is(await codeOf(connect(path, { waitForListener: true, timeout: 0 })), 'ENOENT')
    writeFileSync(path, '')
    t.is(await codeOf(connect(`${path}/below`, { waitForListener: true })), 'ENOTDIR')
    rmSync(path)
    t.is(await codeOf(connect(path, { waitForListener: 1 as never })), 'ERR_INVALID_ARG_TYPE')
  },
)

test.serial('a waiting connect costs little processor time', async t => {
  const path = places.path(t)
  await connect(path, { waitForListener: true, timeout: 10 }).catch(() => {})
  const before = process.cpuUsage()
  await connect(path, { waitForListener: true, timeout: 2000 }).catch(() => {})
  const { user, system } = process.cpuUsage(before)
  t.true(user + system < 200_000, `${user + system} µs`)
})

test.serial('a listener that has started is found within a twentieth of the longest pause', async t => {
  t.timeout(60_000)
  const times: number[] = []
  // More than once only on a busy machine.
  while (times.length < 25 && !times.some(time => time < 12.5)) {
    const path = places.path(t)
    let begun = 0
    const connecting = connect(path, { waitForListener: true }).then(client => {
      times.push(performance.now() - begun)
      return client
    })
    await sleep(600)
    begun = performance.now()
    const listener = await listen(path)
    const client = await connecting
    client.destroy()
    await closed(client)
    await listener.close()
  }
  t.true(Math.min(...times) < 12.5, String(times))
})

test('a socket for packets waits for a listener of its type', async t => {
  const path = places.path(t)
  const waiting = connect(path, { type: 'seqpacket', waitForListener: true })
  await new Promise(resolve => setImmediate(resolve))
  const listener = await listen(path, { type: 'seqpacket' })
  t.teardown(() => listener.close())
  const [client, server] = await Promise.all([waiting, listener.accept()])
  client.end('found')
  for await (const message of server) t.is(String(message), 'found')
  client.destroy()
  server.destroy()
})
