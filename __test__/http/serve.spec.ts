import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs'
import http, {
  type ClientRequest,
  createServer,
  type RequestListener,
  type RequestOptions,
  type Server,
} from 'node:http'
import https from 'node:https'
import http2 from 'node:http2'
import net, { type Server as NetServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Agent, HttpsAgent, serve, type Served, type ServeOptions } from '../../http.js'
import { connect, type UnixSocketPath } from '../../index.js'
import { cert, key } from '../helpers/certificate.js'
import { eventually, everyPlace, once, type Place, places, receiveAll } from '../helpers/sockets.js'
import { answerTo } from '../helpers/http.js'
import { startFile } from '../helpers/program.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

interface Site {
  server: Server
  served: Served
  path: UnixSocketPath
}

/** A server of node:http at a path, closed after the test. */
async function site(
  t: ExecutionContext,
  handler: RequestListener,
  {
    place = 'path',
    http: httpOptions = {},
    ...options
  }: ServeOptions & { place?: Place; http?: object } = {},
): Promise<Site> {
  return await siteOf(t, createServer(httpOptions, handler), places[place](t), options)
}

async function siteOf<T extends NetServer>(
  t: ExecutionContext,
  server: T,
  path: UnixSocketPath,
  options?: ServeOptions,
): Promise<{ server: T; served: Served; path: UnixSocketPath }> {
  const served = await serve(server, path, options)
  t.teardown(async () => {
    if ('closeAllConnections' in server) (server as unknown as Server).closeAllConnections()
    await served.close()
  })
  return { server, served, path }
}

function agentTo(t: ExecutionContext, path: UnixSocketPath, options: http.AgentOptions = {}): Agent {
  const agent = new Agent(path, { keepAlive: true, ...options })
  t.teardown(() => agent.destroy())
  return agent
}

function get(agent: Agent, path = '/', options: RequestOptions = {}): ClientRequest {
  return http.get({ agent, path, ...options })
}

const text = async (sent: ClientRequest): Promise<string> => String((await answerTo(sent)).body)

/** A connection that sends `bytes`; whatever it receives is kept. */
async function visitor(
  t: ExecutionContext,
  path: UnixSocketPath,
  bytes = '',
): Promise<{ closed: Promise<number>; received: () => string }> {
  const socket = await connect(path)
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('error', () => {}).on('data', chunk => (received += String(chunk)))
  socket.on('end', () => socket.end())
  const start = performance.now()
  const closed = once(socket, 'close').then(() => performance.now() - start)
  if (bytes !== '') socket.write(bytes)
  return { closed, received: () => received }
}

const connections = (server: NetServer): Promise<number> => promisify(server.getConnections.bind(server))()
const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

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

// The end.

test('server.close() closes idle connections, lets requests finish, and calls back', async t => {
  const answers: (() => void)[] = []
  const { server, path } = await site(t, (incoming, response) => {
    if (incoming.url === '/slow') answers.push(() => response.end('slow'))
    else response.end('quick')
  })
  const agent = agentTo(t, path)
  const idle = await visitor(t, path, request('/'))
  await eventually('it is idle', () => idle.received() !== '')
  const slow = text(get(agent, '/slow', { headers: { connection: 'close' } }))
  await eventually('the slow request is there', () => answers.length === 1)
  const closed = new Promise(resolve => server.close(resolve))
  await idle.closed
  await eventually('the file is gone', () => !existsSync(path as string))
  await eventually('one is left', async () => (await connections(server)) === 1)
  answers[0]!()
  t.is(await slow, 'slow')
  t.is(await closed, undefined)
})

test('close() ends idle connections, and requests in flight with Connection: close', async t => {
  const answers: (() => void)[] = []
  const { server, served, path } = await site(t, (_, response) => {
    answers.push(() => response.end('slow'))
  })
  const agent = agentTo(t, path)
  const slow = answerTo(get(agent))
  await eventually('the request is there', () => answers.length === 1)
  const ended = once(server, 'close')
  await served.close()
  t.false(existsSync(path as string))
  answers[0]!()
  const { headers, body } = await slow
  t.deepEqual([headers.connection, String(body)], ['close', 'slow'])
  await ended
})

test.serial('a server that drains waits for no idle client and no silent one', async t => {
  const times: number[] = []
  // Another process may have had the processor in one round.
  for (let round = 0; round < 3; round++) {
    const { served, path } = await site(t, (_, response) => response.end('x'))
    const idle = await visitor(t, path, request('/'))
    const silent = await visitor(t, path)
    await eventually('one is idle', () => idle.received() !== '')
    const start = performance.now()
    await served.close({ drain: true })
    times.push(performance.now() - start)
    await Promise.all([idle.closed, silent.closed])
  }
  t.true(Math.min(...times) < 100, `it took ${times.join(', ')} ms`)
})

test('a server that drains answers requests in flight and clients in the queue, and no others', async t => {
  t.timeout(30_000)
  const answers = new Map<string, () => void>()
  const { server, served, path } = await site(
    t,
    (incoming, response) => {
      if (incoming.url === '/begun') response.write('half, ')
      if (incoming.url === '/queued') response.end('queued')
      else answers.set(incoming.url!, () => response.end('whole'))
    },
    { maxConnections: 3 },
  )
  const agent = agentTo(t, path)
  const waiting = answerTo(get(agent, '/waiting'))
  const begun = answerTo(get(agent, '/begun'))
  // It has sent half of its head when the server begins to drain.
  const half = await connect(path)
  half.write('GET /half HTTP/1.1\r\nHost:')
  await eventually('all are there', async () => answers.size === 2 && (await connections(server)) === 3)
  const queued = [answerTo(get(agent, '/queued')), answerTo(get(agent, '/queued'))]
  await eventually('both wait in the queue', () => {
    const sockets = Object.values(agent.sockets).flatMap(list => list ?? [])
    return sockets.length === 4 && sockets.every(socket => !socket.connecting)
  })

  let isDrained = false
  const drained = served.close({ drain: true }).then(() => (isDrained = true))
  await eventually('no client gets in', () =>
    connect(path).then(
      socket => {
        socket.destroy()
        return false
      },
      () => true,
    ),
  )
  half.write(' x\r\n\r\n')
  await eventually('it has come', () => answers.size === 3)
  t.false(isDrained)
  for (const answer of answers.values()) answer()
  const late = String(await receiveAll(half))
  half.destroy()
  t.regex(late, /\r\nConnection: close\r\n.*whole/s)
  for (const [answer, body] of [
    [waiting, 'whole'],
    ...queued.map(one => [one, 'queued'] as const),
  ] as const) {
    const { headers, body: received } = await answer
    t.deepEqual([headers.connection, String(received)], ['close', body])
  }
  t.is(String((await begun).body), 'half, whole')
  await drained
  t.false(server.listening)
})

test('of pipelined requests none is lost when the server drains', async t => {
  const answers: (() => void)[] = []
  const { served, path } = await site(t, (incoming, response) => {
    answers.push(() => response.end(incoming.url))
  })
  const client = await visitor(t, path, request('/1') + request('/2') + request('/3'))
  await eventually('all are there', () => answers.length === 3)
  const drained = served.close({ drain: true })
  await new Promise(resolve => setImmediate(resolve))
  for (const answer of answers) answer()
  await drained
  await client.closed
  t.deepEqual(client.received().match(/(?<=\r\n)\/\d/g), ['/1', '/2', '/3'])
})

test('a connection that was upgraded is waited for', async t => {
  const { server, served, path } = await site(t, () => {})
  let upgraded: Socket | undefined
  server.on('upgrade', (_, socket) => {
    upgraded = socket as Socket
    socket.resume()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  })
  const client = await visitor(
    t,
    path,
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
  )
  await eventually('it is upgraded', () => upgraded !== undefined)
  let isDrained = false
  const drained = served.close({ drain: true }).then(() => (isDrained = true))
  await eventually('the file is gone', () => !existsSync(path as string))
  await new Promise(resolve => setTimeout(resolve, 20))
  t.false(isDrained)
  upgraded!.end('bye')
  await drained
  await client.closed
  t.regex(client.received(), /bye$/)
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

test('await using serves until the end of its scope', async t => {
  const { served, path } = await site(t, (_, response) => response.end())
  await served[Symbol.asyncDispose]()
  t.false(existsSync(path as string))
})

// TLS and http2.

test('an https.Server serves over TLS, and drains', async t => {
  t.timeout(30_000)
  const answers: (() => void)[] = []
  const server = https.createServer({ key, cert }, (incoming, response) => {
    if (incoming.url === '/slow') answers.push(() => response.end('slow'))
    else response.end(incoming.url)
  })
  const { served, path } = await siteOf(t, server, places.path(t))
  const agent = new HttpsAgent(path, { keepAlive: true, ca: cert })
  t.teardown(() => agent.destroy())
  const ask = (where: string): ClientRequest => https.get({ agent, host: 'udsock.test', path: where })
  t.is(await text(ask('/a')), '/a')
  t.is(await text(ask('/b')), '/b')
  const before = await connections(server)
  const silent = tls.connect({ socket: await connect(path), ca: cert, servername: 'udsock.test' })
  await once(silent, 'secureConnect')
  silent.resume().on('end', () => silent.destroy())
  const unsecured = await visitor(t, path)
  const slow = answerTo(ask('/slow'))
  await eventually(
    'all are there',
    async () => answers.length === 1 && (await connections(server)) >= before + 2,
  )
  const silentClosed = once(silent, 'close')
  const drained = served.close({ drain: true })
  await silentClosed
  await unsecured.closed
  answers[0]!()
  const { headers, body } = await slow
  t.deepEqual([headers.connection, String(body)], ['close', 'slow'])
  await drained
})

test('over TLS what a server still has to send follows the end of its client', async t => {
  const server = tls.createServer({ key, cert }, socket => socket.pipe(socket))
  const { path } = await siteOf(t, server, places.path(t))
  const client = tls.connect({ socket: await connect(path), ca: cert, servername: 'udsock.test' })
  const sent = Buffer.alloc(4 << 20, '0123456789')
  client.end(sent)
  t.true(sent.equals(await receiveAll(client)))
})

test('over TLS a connection whose handshake fails closes', async t => {
  const server = tls.createServer({ key, cert })
  const { path } = await siteOf(t, server, places.path(t))
  const failed = once(server, 'tlsClientError')
  const raw = await visitor(t, path, 'GET / HTTP/1.1\r\n\r\n')
  await failed
  await raw.closed
  await eventually('the server has no connection', async () => (await connections(server)) === 0)
  t.is(raw.received().includes('HTTP'), false)
})

for (const isSecure of [false, true])
  test(`an http2 server ${isSecure ? 'over TLS ' : ''}serves, and drains with GOAWAY`, async t => {
    t.timeout(30_000)
    const answers: (() => void)[] = []
    const handler = (incoming: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void => {
      if (incoming.url === '/slow') answers.push(() => response.end('slow'))
      else response.end(incoming.url)
    }
    const server = isSecure ? http2.createSecureServer({ key, cert }, handler) : http2.createServer(handler)
    const { served, path } = await siteOf(t, server, places.path(t))
    const socket = await connect(path)
    const session = http2.connect(isSecure ? 'https://udsock.test' : 'http://udsock.test', {
      createConnection: () =>
        isSecure
          ? tls.connect({ socket, ca: cert, servername: 'udsock.test', ALPNProtocols: ['h2'] })
          : socket,
    })
    t.teardown(() => session.destroy())
    const ask = async (where: string): Promise<string> =>
      String(await receiveAll(session.request({ ':path': where })))
    t.is(await ask('/a'), '/a')
    const slow = ask('/slow')
    await eventually('it is there', () => answers.length === 1)
    const goaway = once(session, 'goaway')
    const drained = served.close({ drain: true })
    await goaway
    answers[0]!()
    t.is(await slow, 'slow')
    await drained
    t.false(server.listening)
  })
