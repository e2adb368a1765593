import { randomBytes } from 'node:crypto'
import { Agent as NodeAgent, createServer, request } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import test from 'ava'
import express from 'express'
import Fastify from 'fastify'
import { Agent } from '../../http.js'
import { createServer as createPathServer } from '../../net.js'
import { eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { asText, collect, listeners, MiB, once, sha256, sharedPlaces } from './helpers.js'

leavesNoDescriptors(test)

/** `length` bytes in parts, as a program makes them that has not all of it at once. */
function parts(length) {
  const body = Buffer.alloc(length, 'part')
  return Readable.from(
    (function* () {
      for (let start = 0; start < length; start += 30_000) yield body.subarray(start, start + 30_000)
    })(),
    { objectMode: false },
  )
}

/** The same application in both; each gives the HTTP server that its connections go to, and how to end it. */
const apps = {
  async express() {
    const app = express()
    app.use(express.json({ limit: '20mb' }))
    app.get('/users/:id', (question, answer) =>
      answer.json({ id: question.params.id, all: question.query.all }),
    )
    app.post('/json', (question, answer) => answer.status(201).json(question.body))
    app.get('/stream/:length', (question, answer) => parts(Number(question.params.length)).pipe(answer))
    app.post('/raw', (question, answer) => question.pipe(answer))
    app.get('/peer', (question, answer) => answer.json(question.socket.peer?.uid ?? null))
    app.get('/fails', () => {
      throw new Error('it failed')
    })
    app.use((error, _question, answer, _next) =>
      answer.status(error.status ?? 500).json({ error: error.message }),
    )
    return { server: createServer(app), close: () => {} }
  },
  async fastify() {
    const app = Fastify({ bodyLimit: 20 * MiB, forceCloseConnections: true })
    app.addContentTypeParser('application/octet-stream', (_question, payload, done) => done(null, payload))
    app.get('/users/:id', async question => ({ id: question.params.id, all: question.query.all }))
    app.post('/json', async (question, answer) => answer.code(201).send(question.body))
    app.get('/stream/:length', async (question, answer) => answer.send(parts(Number(question.params.length))))
    app.post('/raw', async (question, answer) => answer.send(question.body))
    app.get('/peer', async question => JSON.stringify(question.raw.socket.peer?.uid ?? null))
    app.get('/fails', async () => {
      throw new Error('it failed')
    })
    app.setErrorHandler((error, _question, answer) => {
      void answer.code(error.statusCode ?? 500).send({ error: error.message })
    })
    await app.ready()
    return { server: app.server, close: () => app.close() }
  },
}

/** Connections by `udsock/http`, and by Node's own socketPath. */
const agents = {
  'our agent': path => [new Agent(path, { keepAlive: true, maxSockets: 1 }), {}],
  "node:http's agent": path => [
    new NodeAgent({ keepAlive: true, maxSockets: 1 }),
    { socketPath: asText(path) },
  ],
}

async function ask(agent, options, body) {
  const sent = request({ agent, ...options })
  sent.end(body)
  const response = await new Promise((resolve, reject) => sent.on('response', resolve).on('error', reject))
  return [response.statusCode, await collect(response)]
}

const json = { method: 'POST', path: '/json', headers: { 'content-type': 'application/json' } }

/** What a program does with such an application. */
async function use(t, agent, options, uid) {
  const go = async (given, body) => {
    const [status, bytes] = await ask(agent, { ...options, ...given }, body)
    return [status, String(bytes)]
  }
  t.deepEqual(await go({ path: '/users/7?all=yes' }), [200, '{"id":"7","all":"yes"}'])
  const large = JSON.stringify({ text: 'ü'.repeat(MiB), list: Array.from({ length: 1000 }, (_, n) => n) })
  t.deepEqual(await go(json, large), [201, large])
  t.is((await go(json, '{"no": ')).at(0), 400)
  t.deepEqual(await go({ path: '/fails' }), [500, '{"error":"it failed"}'])
  t.is((await go({ path: '/nowhere' })).at(0), 404)
  t.deepEqual(await go({ path: '/peer' }), [200, String(uid)])
  const length = 5 * MiB + 1
  const [status, streamed] = await ask(agent, { ...options, path: `/stream/${length}` })
  t.deepEqual([status, sha256(streamed)], [200, sha256(Buffer.alloc(length, 'part'))])
  const body = randomBytes(10 * MiB)
  const headers = { 'content-type': 'application/octet-stream' }
  const [, raw] = await ask(agent, { ...options, method: 'POST', path: '/raw', headers }, body)
  t.is(sha256(raw), sha256(body))
}

for (const [name, make] of Object.entries(apps))
  for (const [place, pathOf] of Object.entries(sharedPlaces))
    for (const [whose, listenOn] of Object.entries(listeners))
      for (const [client, agentFor] of Object.entries(agents))
        test(`${name}: routes, JSON, errors, streams, over one connection (${client}, ${whose}, ${place})`, async t => {
          t.timeout(60_000)
          const path = pathOf(t)
          const { server, close } = await make()
          const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
          const [agent, options] = agentFor(path)
          t.teardown(() => agent.destroy())
          await use(t, agent, options, whose === 'our listener' ? process.geteuid() : null)
          // A body that could not be parsed may have closed the first.
          t.true(accepted.length <= 2)
          agent.destroy()
          await eventually('the connections are closed', () => accepted.every(socket => socket.closed))
          await close()
        })

for (const [name, make] of Object.entries(apps))
  for (const [whose, listenOn] of Object.entries(listeners))
    test(`${name} answers a client that half-closes behind its request (${whose})`, async t => {
      t.timeout(60_000)
      const path = sharedPlaces.path(t)
      const { server, close } = await make()
      await listenOn(t, path, socket => server.emit('connection', socket))
      const body = '{"half":"closed"}'
      const head = `POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
      const client = connect({ path, allowHalfOpen: true })
      const answer = collect(client)
      client.end(`${head}\r\n\r\n${body}`)
      const lines = String(await answer).split('\r\n')
      t.deepEqual([lines[0], lines.at(-1)], ['HTTP/1.1 201 Created', body])
      await close()
    })

test('fastify listens on a server of udsock/net by its serverFactory', async t => {
  t.timeout(60_000)
  const path = sharedPlaces.path(t)
  let paths
  const app = Fastify({
    forceCloseConnections: true,
    serverFactory: handler => {
      const server = createServer(handler)
      paths = createPathServer({ allowHalfOpen: true }, socket => server.emit('connection', socket))
      return server
    },
  })
  app.get('/', async () => 'by a factory')
  await app.ready()
  await new Promise(resolve => paths.listen(path, resolve))
  const agent = new Agent(path, { keepAlive: true })
  t.teardown(() => agent.destroy())
  for (let round = 0; round < 5; round++)
    t.deepEqual(await ask(agent, {}), [200, Buffer.from('by a factory')])
  agent.destroy()
  await new Promise(resolve => paths.close(resolve))
  await app.close()
})

test('an answer that its client leaves in the middle is closed at the server', async t => {
  t.timeout(60_000)
  const path = sharedPlaces.path(t)
  const app = express()
  let response
  app.get('/', (_, answer) => {
    response = answer
    const write = () => {
      while (!answer.destroyed && answer.write(Buffer.alloc(64 * 1024)));
    }
    answer.on('drain', write)
    write()
  })
  const server = createServer(app)
  const accepted = await listeners['our listener'](t, path, socket => server.emit('connection', socket))
  const sent = request({ agent: new Agent(path) })
  sent.on('error', () => {})
  sent.end()
  const incoming = await once(sent, 'response')
  incoming.on('error', () => {})
  await once(incoming, 'data')
  sent.destroy()
  await eventually('the answer and the connection are closed', () => response.destroyed && accepted[0].closed)
  t.true(response.destroyed)
})
