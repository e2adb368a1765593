import { randomBytes } from 'node:crypto'
import {
  type Agent as NodeAgent,
  createServer,
  type IncomingMessage,
  request,
  type RequestOptions,
} from 'node:http'
import { createServer as createSecureServer, request as requestSecurely } from 'node:https'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Agent, HttpsAgent, undiciConnector } from '../../http.js'
import {
  abstractName,
  connect,
  type UnixListener,
  type UnixSocket,
  type UnixSocketPath,
} from '../../index.js'
import { createServer as createNetServer } from '../../net.js'
import { cert, key } from '../helpers/certificate.js'
import { directory, everyPlace, eventually, listening, once, type Place, places } from '../helpers/sockets.js'
import { answerTo, serve } from '../helpers/http.js'
import { leavesNoDescriptors, sha256 } from '../helpers/streams.js'

leavesNoDescriptors(test)

interface Served {
  listener: UnixListener
  accepted: UnixSocket[]
}

/** A server that answers with `name` and the request's body. Only the test makes agents. */
async function serving(t: ExecutionContext, place: Place = 'path', name = 'one'): Promise<Served> {
  const listener = await listening(t, place)
  const server = createServer((incoming, response) => {
    response.setHeader('x-served', `${name} ${incoming.method} ${incoming.url}`)
    if (incoming.url !== '/never') incoming.pipe(response)
  })
  return { listener, accepted: serve(t, listener, server) }
}

function made<T extends NodeAgent>(t: ExecutionContext, agent: T): T {
  t.teardown(() => agent.destroy())
  return agent
}

async function post(options: RequestOptions, body: Uint8Array | string = ''): Promise<[unknown, Buffer]> {
  const sent = request({ method: 'POST', ...options })
  sent.end(body)
  const answer = await answerTo(sent)
  return [answer.headers['x-served'], answer.body]
}

const failure = (options: RequestOptions): Promise<NodeJS.ErrnoException> => {
  const sent = request(options)
  sent.end()
  return once(sent, 'error')
}

const forms: Record<string, (path: UnixSocketPath) => NodeAgent> = {
  'new Agent(path)': path => new Agent(path, { keepAlive: true }),
  'new Agent({ socketPath })': path => new Agent({ socketPath: path, keepAlive: true }),
}

for (const place of everyPlace)
  for (const [form, make] of Object.entries(forms))
    test(`${form} sends 50 requests over one connection to a ${place}`, async t => {
      t.timeout(30_000)
      const { listener, accepted } = await serving(t, place)
      const agent = made(t, make(listener.path))
      for (let number = 0; number < 50; number++)
        t.deepEqual(await post({ agent, path: `/${number}` }, `body ${number}`), [
          `one POST /${number}`,
          Buffer.from(`body ${number}`),
        ])
      t.is(accepted.length, 1)
      agent.destroy()
      await eventually('the server has seen it close', () => accepted[0]!.closed)
    })

test('without keepAlive each request has a connection of its own', async t => {
  t.timeout(30_000)
  const { listener, accepted } = await serving(t)
  const agent = made(t, new Agent(listener.path, { keepAlive: false }))
  for (let number = 0; number < 3; number++) await post({ agent })
  t.is(accepted.length, 3)
  await eventually('all are closed', () => accepted.every(socket => socket.closed))
})

test('10 MiB go there and back', async t => {
  t.timeout(60_000)
  const { listener } = await serving(t)
  const agent = made(t, new Agent(listener.path))
  const body = randomBytes(10 * 1024 * 1024)
  const [, received] = await post({ agent }, body)
  t.is(sha256(received), sha256(body))
})

test('maxSockets makes requests wait for one another', async t => {
  t.timeout(30_000)
  const { listener, accepted } = await serving(t)
  const agent = made(t, new Agent(listener.path, { keepAlive: true, maxSockets: 2 }))
  const names = Array.from({ length: 20 }, (_, number) => `/${number}`)
  const answers = await Promise.all(names.map(path => post({ agent, path })))
  t.deepEqual(
    answers.map(([served]) => served),
    names.map(path => `one POST ${path}`),
  )
  t.is(accepted.length, 2)
})

test("a request's own socketPath goes before the agent's, and each path has its own pool", async t => {
  t.timeout(30_000)
  const one = await serving(t, 'path', 'one')
  const two = await serving(t, 'abstract name', 'two')
  const agent = made(t, new Agent(one.listener.path, { keepAlive: true }))
  const elsewhere = { agent, socketPath: two.listener.path as string }
  const asText = { agent, socketPath: Buffer.from(two.listener.path as Uint8Array).toString() }
  for (let round = 0; round < 3; round++) {
    t.is((await post({ agent }))[0], 'one POST /')
    t.is((await post(elsewhere))[0], 'two POST /')
    t.is((await post(asText))[0], 'two POST /')
  }
  // The bytes of a name and its text are the same place.
  t.deepEqual([one.accepted.length, two.accepted.length], [1, 1])
})

const names = (agent: Agent | HttpsAgent): string[] => [
  agent.getName(),
  agent.getName({ socketPath: '/run/b' }),
  agent.getName({ socketPath: '\0a' }),
  agent.getName({ socketPath: Buffer.from([0, 0xe9]) as never }),
  agent.getName({ socketPath: Buffer.from([0, 0xe8]) as never }),
  agent.getName({ socketPath: '\0é' }),
  agent.getName({ socketPath: '/run/b', host: 'other' }),
]

test('getName() distinguishes paths, whatever their form', t => {
  for (const agent of [new Agent('/run/a'), new HttpsAgent('/run/a')]) {
    t.is(new Set(names(agent)).size, 7)
    t.deepEqual(names(agent), names(agent))
    t.is(agent.getName({ socketPath: '/run/a' }), agent.getName())
    t.is(agent.getName({ socketPath: Buffer.from('/run/a') as never }), agent.getName())
  }
})

test('a name that is no text, a file: URL and a relative path are connected to', async t => {
  t.timeout(30_000)
  const name = Buffer.concat([Buffer.from([0, 0xff, 0xfe]), randomBytes(8)])
  const home = directory(t)
  const before = process.cwd()
  const handler = createServer((_, response) => response.end('there'))
  const { listen } = await import('../../index.js')
  for (const [at, given] of [
    [name, name],
    [join(home, 'u'), pathToFileURL(join(home, 'u'))],
  ] as const) {
    const listener = await listen(at)
    serve(t, listener, handler)
    const agent = made(t, new Agent(given, { keepAlive: true }))
    const sent = request({ agent })
    sent.end()
    const socket = await once<UnixSocket>(sent, 'socket')
    t.is(String((await answerTo(sent)).body), 'there')
    t.deepEqual(socket.remotePath, at)
  }
  const listener = await listen(join(home, 'r'))
  serve(t, listener, handler)
  process.chdir(home)
  const agent = made(t, new Agent('r'))
  process.chdir(before)
  t.is(String((await post({ agent }))[1]), 'there')
})

test('what fails is the error of the request', async t => {
  t.timeout(30_000)
  const missing = join(directory(t), 'missing')
  const there = await failure({ agent: new Agent(missing) })
  t.like(there, {
    code: 'ENOENT',
    syscall: 'connect',
    address: missing,
    message: `connect ENOENT ${missing}`,
  })
  const name = abstractName(`udsock-test-${randomBytes(8).toString('hex')}`)
  t.like(await failure({ agent: new Agent(name) }), {
    code: 'ECONNREFUSED',
    address: `@${Buffer.from(name.subarray(1))}`,
  })
  const agent = new Agent({ keepAlive: true })
  t.like(await failure({ agent }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.like(await failure({ agent, socketPath: 'x'.repeat(200) }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.like(await failure({ agent, socketPath: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a request that is aborted ends, connected or not', async t => {
  t.timeout(30_000)
  const { listener, accepted } = await serving(t)
  const agent = made(t, new Agent(listener.path, { keepAlive: true }))
  const controller = new AbortController()
  const sent = request({ agent, path: '/never', signal: controller.signal })
  sent.end()
  await eventually('the server has it', () => accepted.length === 1)
  controller.abort()
  t.like(await once<Error>(sent, 'error'), { name: 'AbortError' })
  await eventually('the connection is closed', () => accepted[0]!.closed)

  // A listener that accepts no connection, and whose backlog is full.
  const full = await listening(t, 'path', { backlog: 0 })
  const first = await connect(full.path)
  t.teardown(() => first.destroy())
  const waiting = new AbortController()
  const waits = request({ agent, socketPath: full.path as string, signal: waiting.signal })
  waits.end()
  const socket = await once<UnixSocket>(waits, 'socket')
  t.true(socket.connecting)
  waiting.abort()
  t.like(await once<Error>(waits, 'error'), { name: 'AbortError' })
  if (!socket.destroyed) await once(socket, 'close')
})

test("the agent's and the request's timeout are reported, connected or not", async t => {
  t.timeout(30_000)
  const { listener, accepted } = await serving(t)
  for (const options of [
    { agent: new Agent(listener.path, { timeout: 50 }) },
    { agent: new Agent(listener.path), timeout: 50 },
  ]) {
    const sent = request({ ...options, path: '/never' })
    const failed = once<Error>(sent, 'error')
    sent.end()
    await once(sent, 'timeout')
    sent.destroy(new Error('too slow'))
    t.is((await failed).message, 'too slow')
  }
  await eventually('both are closed', () => accepted.length === 2 && accepted.every(socket => socket.closed))
})

test('an upgrade hands the connection over', async t => {
  t.timeout(30_000)
  const listener = await listening(t)
  const server = createServer().on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  const accepted = serve(t, listener, server)
  const agent = made(t, new Agent(listener.path, { keepAlive: true }))
  const sent = request({ agent, headers: { connection: 'upgrade', upgrade: 'echo' } })
  sent.end()
  const socket = await new Promise<UnixSocket>(resolve =>
    sent.on('upgrade', (_: IncomingMessage, given) => resolve(given as unknown as UnixSocket)),
  )
  const body = randomBytes(100_000)
  socket.end(body)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  t.is(sha256(Buffer.concat(chunks)), sha256(body))
  await eventually('both are closed', () => socket.closed && accepted[0]!.closed)
})

test('a server of udsock/net is behind node:http, too', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const web = createServer((incoming, response) => incoming.pipe(response))
  const server = createNetServer(socket => void web.emit('connection', socket)).listen(path)
  await once(server, 'listening')
  const agent = made(t, new Agent(path, { keepAlive: true }))
  for (let round = 0; round < 5; round++)
    t.is(String((await post({ agent }, `round ${round}`))[1]), `round ${round}`)
  agent.destroy()
  await new Promise(resolve => server.close(resolve))
})

for (const place of everyPlace)
  test(`an HttpsAgent talks TLS to a ${place}, over one connection`, async t => {
    t.timeout(30_000)
    // As tls.Server does: otherwise a connection whose handshake failed stays half open.
    const listener = await listening(t, place, { allowHalfOpen: false })
    const server = createSecureServer({ key, cert }, (incoming, response) => incoming.pipe(response))
    const accepted = serve(t, listener, server)
    const agent = made(t, new HttpsAgent(listener.path, { keepAlive: true, ca: cert }))
    const body = randomBytes(300_000)
    for (let round = 0; round < 3; round++) {
      const sent = requestSecurely({ agent, host: 'udsock.test', method: 'POST' })
      sent.end(body)
      t.is(sha256((await answerTo(sent)).body), sha256(body))
    }
    t.is(accepted.length, 1)
    const stranger = requestSecurely({ agent, host: 'stranger.test' })
    stranger.end()
    t.like(await once<Error>(stranger, 'error'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    agent.destroy()
    await eventually('all are closed', () => accepted.every(socket => socket.closed))
  })

test('an HttpsAgent reports failures by the request', async t => {
  t.timeout(30_000)
  const missing = join(directory(t), 'missing')
  for (const [agent, code] of [
    [new HttpsAgent(missing), 'ENOENT'],
    [new HttpsAgent(), 'ERR_INVALID_ARG_VALUE'],
  ] as const) {
    const sent = requestSecurely({ agent })
    sent.end()
    t.like(await once<Error>(sent, 'error'), { code })
  }
})

test('invalid options are refused when an agent or a connector is made', t => {
  const refused: [args: unknown[], code: string][] = [
    [[5], 'ERR_INVALID_ARG_TYPE'],
    [[null], 'ERR_INVALID_ARG_TYPE'],
    [[''], 'ERR_INVALID_ARG_VALUE'],
    [['x'.repeat(200)], 'ERR_INVALID_ARG_VALUE'],
    [['a\0b'], 'ERR_INVALID_ARG_VALUE'],
    [[new URL('http://localhost/a')], 'ERR_INVALID_ARG_VALUE'],
    [['a', 5], 'ERR_INVALID_ARG_TYPE'],
    [['a', null], 'ERR_INVALID_ARG_TYPE'],
  ]
  const agentsAlone: typeof refused = [
    [['a', { socketPath: 'b' }], 'ERR_INVALID_ARG_VALUE'],
    [[{ socketPath: 5 }], 'ERR_INVALID_ARG_TYPE'],
    [[{ socketPath: '' }], 'ERR_INVALID_ARG_VALUE'],
  ]
  const connectorAlone: typeof refused = [
    [[], 'ERR_INVALID_ARG_TYPE'],
    [['a', { timeout: -1 }], 'ERR_OUT_OF_RANGE'],
    [['a', { signal: 5 }], 'ERR_INVALID_ARG_TYPE'],
    [['a', { peerUid: [] }], 'ERR_INVALID_ARG_VALUE'],
    [['a', { writeLimit: 0.5 }], 'ERR_OUT_OF_RANGE'],
    [['a', { tls: true }], 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [args, code] of [...refused, ...agentsAlone])
    for (const type of [Agent, HttpsAgent])
      t.throws(() => Reflect.construct(type, args), { code }, `${type.name} ${JSON.stringify(args)}`)
  for (const [args, code] of [...refused, ...connectorAlone])
    t.throws(() => Reflect.apply(undiciConnector, undefined, args), { code }, JSON.stringify(args))
})
