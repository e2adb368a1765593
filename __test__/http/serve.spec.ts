import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import http, { createServer } from 'node:http'
import net from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { serve } from '../../http.js'
import { connect } from '../../index.js'
import { answerTo } from '../helpers/http.js'
import { startFile } from '../helpers/program.js'
import { eventually, everyPlace, once, places } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { agentTo, connections, get, request, site, siteOf, text, visitor } from './serve-helpers.js'

leavesNoDescriptors(test)

for (const place of everyPlace)
  test(`an http.Server at a ${place} is one that listens, until it is closed`, async t => {
    const events: string[] = []
    const server = createServer((incoming, response) => response.end(incoming.url))
    for (const event of ['listening', 'connection', 'close']) server.on(event, () => events.push(event))
    const path = places[place](t)
    const served = await serve(server, path)
    t.true(server.listening)
    t.is(server.address(), typeof path === 'string' ? path : Buffer.from(path).toString())
    const agent = agentTo(t, path)
    t.is(await text(get(agent, '/a')), '/a')
    t.is(await connections(server), 1)
    t.throws(() => server.listen(path as string), { code: 'ERR_SERVER_ALREADY_LISTEN' })
    await t.throwsAsync(serve(server, path), { code: 'ERR_SERVER_ALREADY_LISTEN' })
    await new Promise(resolve => server.close(resolve))
    t.deepEqual([server.listening, await connections(server)], [false, 0])
    t.true(served.listener.closed)
    await t.throwsAsync(connect(path), { code: place === 'path' ? 'ENOENT' : 'ECONNREFUSED' })
    t.deepEqual(events, ['listening', 'connection', 'close'])
    t.true(await new Promise(resolve => server.close(error => resolve(error !== undefined))))
    await served.close()
    await served.close({ drain: true })
    // And again.
    const again = await siteOf(t, server, places[place](t))
    t.is(await text(get(agentTo(t, again.path), '/b')), '/b')
  })

test('the options are those of listen(), with the defaults of node:http', async t => {
  const path = places.path(t)
  const uid = process.geteuid!()
  const { served } = await siteOf(
    t,
    createServer((_, response) => response.end('first')),
    path,
    { mode: 0o600 },
  )
  t.is(statSync(path).mode & 0o777, 0o600)
  await t.throwsAsync(serve(createServer(), path), { code: 'EADDRINUSE' })
  await t.throwsAsync(serve(createServer(), path, { mode: 0o1000 }), { code: 'ERR_OUT_OF_RANGE' })
  const second = createServer((_, response) => response.end('second'))
  const superseded = once(served.listener, 'superseded')
  const next = await siteOf(t, second, path, { onExisting: 'takeOver', allow: { uids: [uid + 1] } })
  await superseded
  const refused = await visitor(t, path, request('/'))
  await refused.closed
  t.is(refused.received(), '')
  t.is(next.served.listener.refused, 1)
  await next.served.close()
  t.false(existsSync(path))
  t.deepEqual(readdirSync(dirname(path)), [])
})

test('a superseded server closes by itself', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const first = await siteOf(
    t,
    createServer((_, response) => response.end('first')),
    path,
  )
  const agent = agentTo(t, path)
  t.is(await text(get(agent)), 'first')
  const closed = once(first.server, 'close')
  await siteOf(
    t,
    createServer((_, response) => response.end('second')),
    path,
    { onExisting: 'takeOver' },
  )
  await closed
  t.false(first.server.listening)
  t.is(await text(get(agentTo(t, path))), 'second')
})

test('unlinkOnClose: false leaves the file', async t => {
  const { served, path } = await site(t, () => {}, { unlinkOnClose: false })
  await served.close()
  t.true(existsSync(path as string))
})

test('what cannot be served is refused, and leaves nothing', async t => {
  const path = places.path(t)
  const refused = (code: string, ...args: unknown[]): Promise<unknown> =>
    t.throwsAsync(Reflect.apply(serve, undefined, args) as Promise<unknown>, { code })
  await refused('ERR_INVALID_ARG_TYPE', {}, path)
  await refused('ERR_INVALID_ARG_TYPE', undefined, path)
  await refused('ERR_INVALID_ARG_TYPE', createServer(), undefined)
  await refused('ERR_INVALID_ARG_TYPE', createServer(), path, 5)
  await refused('ABORT_ERR', createServer(), path, { signal: AbortSignal.abort() })
  await refused('ENOENT', createServer(), `${path}/s`)
  const { served } = await siteOf(t, createServer(), path)
  await t.throwsAsync(served.close({ drain: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  const server = createServer()
  const [one, other] = await Promise.allSettled([serve(server, `${path}1`), serve(server, `${path}2`)])
  t.deepEqual([one.status, other.status].toSorted(), ['fulfilled', 'rejected'])
  await new Promise(resolve => server.close(resolve))
  t.deepEqual(readdirSync(dirname(path)), ['s'])
})

test('an aborted signal closes the server', async t => {
  const abort = new AbortController()
  const { server, path } = await site(t, (_, response) => response.end(), { signal: abort.signal })
  await text(get(agentTo(t, path)))
  const closed = once(server, 'close')
  abort.abort()
  await closed
  t.false(existsSync(path as string))
})

test('a listening descriptor is served, and its file stays', async t => {
  const path = places.path(t)
  const giver = net.createServer()
  await once(giver.listen(`${path}0`), 'listening')
  // So that the file stays when the giver, which must not accept, closes.
  renameSync(`${path}0`, path)
  const { fd } = (giver as unknown as { _handle: { fd: number } })._handle
  const program = fileURLToPath(new URL('../programs/serve-variants.js', import.meta.url))
  const heir = spawn(process.execPath, [program, 'inherited'], {
    stdio: ['ignore', 'inherit', 'inherit', fd],
  })
  t.teardown(() => heir.kill('SIGKILL'))
  giver.close()
  const ended = once<number>(heir, 'exit')
  t.is(await text(http.get({ socketPath: path, agent: false })), `${path}0`)
  t.is(await ended, 0)
  t.true(existsSync(path))
})

// Node's limits.

test("node:http's time limits hold", async t => {
  t.timeout(30_000)
  const limits = {
    headersTimeout: 1000,
    requestTimeout: 1500,
    connectionsCheckingInterval: 20,
    keepAliveTimeout: 50,
  }
  // From Node 24 on a buffer comes on top of keepAliveTimeout.
  const { path } = await site(
    t,
    (incoming, response) => incoming.resume().on('end', () => response.end('fine')),
    {
      http: { ...limits, keepAliveTimeoutBuffer: 10 },
    },
  )
  const half = await visitor(t, path, 'GET / HTTP/1.1\r\nHost:')
  const body = await visitor(t, path, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')
  const idle = await visitor(t, path, request('/'))
  const silent = await visitor(t, path)
  await Promise.all([half.closed, body.closed, idle.closed, silent.closed])
  const timedOut = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n'
  t.deepEqual([half.received(), body.received(), silent.received()], [timedOut, timedOut, timedOut])
  t.regex(idle.received(), /fine$/)
})

test('closeIdleConnections() and closeAllConnections() close what their names promise', async t => {
  const { server, path } = await site(t, (incoming, response) => {
    if (incoming.url === '/idle') response.end('x')
    else response.write('x')
  })
  const idle = await visitor(t, path, request('/idle'))
  const busy = await visitor(t, path, request('/busy'))
  await eventually('both have an answer', () => idle.received() !== '' && busy.received() !== '')
  server.closeIdleConnections()
  await idle.closed
  t.is(await connections(server), 1)
  server.closeAllConnections()
  await busy.closed
})

test('server.maxConnections drops as in node:net, and maxConnections of listen() lets clients wait', async t => {
  const { server, path } = await site(t, (_, response) => response.end('x'))
  server.maxConnections = 1
  const first = await visitor(t, path, request('/'))
  await eventually('the first is served', () => first.received() !== '')
  const dropped = once(server, 'drop')
  const second = await visitor(t, path, request('/'))
  await dropped
  await second.closed
  t.is(second.received(), '')

  const queue = await site(t, (_, response) => response.end('x'), { maxConnections: 1 })
  const holder = await visitor(t, queue.path, request('/'))
  await eventually('one is served', () => holder.received() !== '')
  const waiting = await visitor(t, queue.path, request('/'))
  t.is(waiting.received(), '')
  queue.server.closeIdleConnections()
  await eventually('the next is served', () => waiting.received() !== '')
})

test("what a 'connection' listener throws is an uncaught exception, and others are served", async t => {
  const program = startFile(t, process.execPath, 'serve-variants.js', ['throwing', places.path(t)])
  const { output } = await program.ended
  t.is(output, 'thrown\ntrue\n200')
})

test('an unreferenced server lets the process end, which removes the file', async t => {
  const path = places.path(t)
  const { code } = await startFile(t, process.execPath, 'serve-variants.js', ['unreferenced', path]).ended
  t.is(code, 0)
  t.false(existsSync(path))
})

test("a response's events and callbacks come in the context of its request", async t => {
  const storage = new AsyncLocalStorage<string>()
  const seen: Record<string, string | undefined> = {}
  const path = places.path(t)
  const server = createServer((incoming, response) => {
    const note = (what: string) => (): void => void (seen[`${what} of ${incoming.url}`] = storage.getStore())
    storage.run(incoming.url!, () => {
      for (const event of ['finish', 'close']) response.on(event, note(`'${event}'`))
      for (const event of ['end', 'close']) incoming.on(event, note(`request's '${event}'`))
      incoming.resume()
      setTimeout(() => {
        response.write('a', note("write()'s callback"))
        setTimeout(() => response.end(Buffer.alloc(500_000), note("end()'s callback")), 2)
      }, 2)
    })
  })
  await storage.run('start', () => siteOf(t, server, path))
  const agent = agentTo(t, path, { maxSockets: 1 })
  for (const url of ['/1', '/2', '/3']) await answerTo(get(agent, url))
  await eventually(
    'all are closed',
    () => Object.keys(seen).filter(what => what.startsWith("'close'")).length === 3,
  )
  // As on node:net: the events of an IncomingMessage come in the context of the connection.
  const ofResponses = Object.entries(seen).filter(([what]) => !what.startsWith('request'))
  t.is(ofResponses.length, 12)
  for (const [what, store] of ofResponses) t.true(what.endsWith(` of ${store}`), `${what}: ${store}`)
})
