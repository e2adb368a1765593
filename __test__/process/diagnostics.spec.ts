import { createHook } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { bindDatagram, connect, listen, socketpair } from '../../index.js'
import { createSocket } from '../../dgram.js'
import net from '../../net.js'
import { closed, codeOf, eventually, once, places } from '../helpers/sockets.js'
import { isNode } from '../helpers/runtimes.js'

interface Message {
  path?: unknown
  socket?: unknown
  listener?: unknown
  error?: { code?: string } | null
  reason?: string
  duration?: number
  bytesRead?: number
  bytesWritten?: number
}

const names = [
  ...['connect', 'listen', 'bindDatagram'].flatMap(name =>
    ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(event => `tracing:udsock:${name}:${event}`),
  ),
  ...['accept', 'refuse', 'wait', 'close'].map(name => `udsock:${name}`),
]

/** Returns what is published from now on, by the name of the channel. */
function published(): { events: [string, Message][]; stop(): void } {
  const events: [string, Message][] = []
  const listeners = names.map(name => {
    const onMessage = (message: unknown): void => void events.push([name, { ...(message as Message) }])
    subscribe(name, onMessage)
    return () => unsubscribe(name, onMessage)
  })
  return {
    events,
    stop: () => {
      for (const stop of listeners) stop()
    },
  }
}

test.serial('the channels report a connection from listen to close, with durations', async t => {
  const { events, stop } = published()
  const path = places.path(t)
  const listener = await listen(path)
  const client = await connect(path)
  const server = await listener.accept()
  client.end('12345')
  server.resume()
  await once(server, 'end')
  server.end()
  client.resume()
  await closed(client, server)
  await listener.close()
  await eventually('three are closed', () => events.filter(([name]) => name === 'udsock:close').length === 3)
  stop()
  const find = (wanted: string): Message[] =>
    events.filter(([name]) => name === wanted).map(([, message]) => message)
  const [started] = find('tracing:udsock:connect:start')
  t.is(started?.path, path)
  const [connected] = find('tracing:udsock:connect:asyncEnd')
  t.is(connected?.socket, client)
  t.true(connected!.duration! >= 0)
  t.is(find('tracing:udsock:listen:asyncEnd')[0]?.listener, listener)
  t.is(find('udsock:accept')[0]?.socket, server)
  t.is(find('udsock:accept')[0]?.listener, listener)
  const closes = find('udsock:close')
  const ofServer = closes.find(({ socket }) => socket === server)
  t.is(ofServer?.bytesRead, 5)
  t.is(ofServer?.error, null)
  t.true(ofServer!.duration! > 0)
  t.is(closes.find(({ socket }) => socket === client)?.bytesWritten, 5)
  t.true(closes.some(message => message.listener === listener))
  t.is(find('tracing:udsock:connect:error').length, 0)
})

test.serial('failures, waits and refusals are reported', async t => {
  const { events, stop } = published()
  const path = places.path(t)
  t.is(await codeOf(connect(path, { waitForListener: true, timeout: 20 })), 'ENOENT')
  const listener = await listen(path, { allow: { uids: [process.geteuid!() + 1] } })
  t.is(await codeOf(listen(path)), 'EADDRINUSE')
  const client = await connect(path)
  client
    .on('error', () => {})
    .resume()
    .end()
  void listener.accept().catch(() => {})
  await closed(client)
  await listener.close()
  stop()
  const codes = events
    .filter(([name]) => name.endsWith(':error'))
    .map(([name, { error }]) => [name, error?.code])
  t.deepEqual(codes, [
    ['tracing:udsock:connect:error', 'ENOENT'],
    ['tracing:udsock:listen:error', 'EADDRINUSE'],
  ])
  t.is(events.find(([name]) => name === 'udsock:wait')?.[1].reason, 'listener')
  const [, refusal] = events.find(([name]) => name === 'udsock:refuse')!
  t.is(refusal.reason, 'allow')
  t.is(refusal.listener, listener)
})

test.serial('sockets of udsock/net are reported, too', async t => {
  const { events, stop } = published()
  const path = places.path(t)
  const server = net.createServer(socket => socket.end())
  await new Promise<void>(resolve => server.listen(path, resolve))
  const client = net.connect(path).resume()
  await once(client, 'close')
  await new Promise(resolve => server.close(resolve))
  stop()
  const seen = new Set(events.map(([name]) => name))
  for (const name of ['tracing:udsock:connect:asyncEnd', 'udsock:accept', 'udsock:close'])
    t.true(seen.has(name), name)
})

test.serial('sockets for datagrams are reported when they are bound and closed', async t => {
  const { events, stop } = published()
  const path = places.path(t)
  const server = await bindDatagram(path)
  const client = await bindDatagram()
  await client.sendAndWait('12345', { to: path })
  await once(server, 'message')
  t.is(await codeOf(bindDatagram(path)), 'EADDRINUSE')
  const pair = socketpair({ type: 'datagram' })
  const sockets = [server, client, ...pair]
  await Promise.all(sockets.map(socket => socket.close()))
  const find = (wanted: string): Message[] =>
    events.filter(([name]) => name === wanted).map(([, message]) => message)
  await eventually('all are closed', () => find('udsock:close').length === sockets.length)
  stop()
  t.deepEqual(
    find('tracing:udsock:bindDatagram:start').map(call => call.path),
    [path, undefined, path],
  )
  const ended = find('tracing:udsock:bindDatagram:asyncEnd')
  t.deepEqual(
    ended.map(({ socket }) => socket),
    [server, client, undefined],
  )
  for (const { duration } of ended) t.true(duration! >= 0)
  t.deepEqual(
    find('tracing:udsock:bindDatagram:error').map(({ error }) => error?.code),
    ['EADDRINUSE'],
  )
  const closes = find('udsock:close')
  t.is(closes.find(({ socket }) => socket === server)?.bytesRead, 5)
  t.is(closes.find(({ socket }) => socket === client)?.bytesWritten, 5)
  for (const { duration, error } of closes) t.deepEqual([duration! > 0, error], [true, null])
})

test.serial('sockets of udsock/dgram are reported, too', async t => {
  const { events, stop } = published()
  const path = places.path(t)
  const [server, other] = [createSocket('unix_dgram'), createSocket('unix_dgram')]
  const codes: unknown[] = []
  other.on('error', (error: NodeJS.ErrnoException) => codes.push(error.code))
  server.bind(path)
  other.bind(path)
  t.deepEqual(codes, ['EADDRINUSE'])
  const closing = Promise.all([server, other].map(socket => once(socket, 'close')))
  server.close()
  other.close()
  await closing
  stop()
  const bound = events.filter(([name]) => name === 'tracing:udsock:bindDatagram:asyncEnd')
  t.deepEqual(
    bound.map(([, { path: given, socket, error }]) => [given, socket, error?.code]),
    [
      [path, server, undefined],
      [path, undefined, 'EADDRINUSE'],
    ],
  )
  const ended = events.filter(([name]) => name === 'udsock:close').map(([, { socket }]) => socket)
  t.deepEqual(new Set(ended), new Set([server, other]))
})

test.serial('without subscribers a channel of the package has none', t => {
  for (const name of names) t.false(channel(name).hasSubscribers, name)
})

const index = fileURLToPath(new URL('../../index.js', import.meta.url))

if (isNode) {
  test('NODE_DEBUG=udsock logs connects, binds, accepts, waits, closes and failures', async t => {
    const program = `
      import { bindDatagram, connect, listen } from ${JSON.stringify(index)}
      const path = ${JSON.stringify(places.path(t))}
      await connect(path).catch(() => {})
      const listener = await listen(path)
      const [client, server] = await Promise.all([connect(path), listener.accept()])
      client.destroy(); server.destroy(); await listener.close()
      const sockets = await Promise.all([path + '2', undefined, { autobind: true }].map(path => bindDatagram(path)))
      await bindDatagram(path + '2').catch(() => {})
      for (const socket of sockets) await socket.close()`
    const { stderr } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', program],
      {
        env: { ...process.env, NODE_DEBUG: 'udsock' },
      },
    )
    for (const text of [
      /^UDSOCK \d+: connect \S+ failed in [\d.]+ ms: connect ENOENT/m,
      /^UDSOCK \d+: listen \S+ done in [\d.]+ ms$/m,
      /^UDSOCK \d+: accept /m,
      /^UDSOCK \d+: close socket \S+ after [\d.]+ ms, 0 bytes read, 0 written$/m,
      /^UDSOCK \d+: close listener /m,
      /^UDSOCK \d+: bindDatagram \S+2 done in [\d.]+ ms$/m,
      /^UDSOCK \d+: bindDatagram \S+2 failed in [\d.]+ ms: bind EADDRINUSE/m,
      /^UDSOCK \d+: bindDatagram \(no path\) done in [\d.]+ ms$/m,
      /^UDSOCK \d+: bindDatagram @[0-9a-f]{5} done in [\d.]+ ms$/m,
      /^UDSOCK \d+: close socket \S+2 after [\d.]+ ms, 0 bytes read, 0 written$/m,
    ])
      t.regex(stderr, text)
  })

  test('a list of what is alive, as why-is-node-running makes it, names sockets and listeners by their caller', async t => {
    const program = `
      import { createHook } from 'node:async_hooks'
      const alive = new Map()
      createHook({
        init(id, type) {
          if (type.startsWith('Unix')) alive.set(id, type + (new Error().stack.includes('callerOf') ? ' by its caller' : ''))
        },
        destroy: id => void alive.delete(id),
      }).enable()
      const { connect, listen } = await import(${JSON.stringify(index)})
      const listener = await (function callerOfListen() { return listen(${JSON.stringify(places.path(t))}) })()
      const client = await (function callerOfConnect() { return connect(listener.path) })()
      const server = await listener.accept()
      console.log([...alive.values()].toSorted().join())
      client.destroy(); server.destroy(); await listener.close()
      for (let tries = 0; tries < 1000 && alive.size > 0; tries++) await new Promise(resolve => setTimeout(resolve, 5))
      console.log([...alive.values()].join())`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
    t.is(stdout, 'UnixListener by its caller,UnixSocket,UnixSocket by its caller\n\n')
  })

  test.serial('async_hooks names sockets and listeners, and reports that they are destroyed', async t => {
    const alive = new Map<number, string>()
    const hook = createHook({
      init(id, type) {
        if (/^Unix(?:Socket|Listener)$/.test(type)) alive.set(id, type)
      },
      destroy: id => void alive.delete(id),
    }).enable()
    t.teardown(() => hook.disable())
    const types = (): string[] => [...alive.values()].toSorted()
    const path = places.path(t)
    const listener = await listen(path)
    const [client, server] = await Promise.all([connect(path), listener.accept()])
    t.deepEqual(types(), ['UnixListener', 'UnixSocket', 'UnixSocket'])
    t.is(await codeOf(connect(`${path}.absent`)), 'ENOENT')
    client.destroy()
    await closed(client)
    await eventually('one is destroyed', () => alive.size <= 2)
    t.deepEqual(types(), ['UnixListener', 'UnixSocket'])
    server.destroy()
    await listener.close()
    await eventually('all are destroyed', () => alive.size === 0)
  })
}
