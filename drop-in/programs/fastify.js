// fastify: its own server, and what its hooks see.
/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; the rule knows express alone */
import http from 'node:http'
import https from 'node:https'
import { Readable } from 'node:stream'
import Fastify from 'fastify'
import { bytes, cases, happened, once, pause, text } from '../cases.js'
import { certificate, certified } from '../certificate.js'

async function listening(run, app, options = { port: 0 }) {
  run.defer(() => app.close())
  await app.listen(options)
  return app.server.address()
}

async function fetched(options, body) {
  const request = http.request({ agent: false, ...options })
  request.end(body)
  const response = await once(request, 'response')
  return { status: response.statusCode, headers: response.headers, body: await bytes(response) }
}

await cases({
  'by a port and by a path': async run => {
    const app = Fastify()
    app.get('/', async () => ({ ok: true }))
    const { port } = await listening(run, app)
    run.note((await fetched({ port })).body.toString())
    const other = Fastify()
    other.get('/', async () => 'by path')
    const path = run.path()
    await listening(run, other, { path })
    run.note((await fetched({ socketPath: path })).body.toString())
  },
  'schemas, hooks and errors': async run => {
    const app = Fastify()
    for (const hook of ['onRequest', 'preHandler', 'onSend', 'onResponse', 'onError'])
      app.addHook(hook, async () => run.note(hook))
    const schema = { body: { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } } }
    app.post('/', { schema }, async request => request.body)
    app.get('/fail', async () => {
      throw new Error('fails')
    })
    const { port } = await listening(run, app)
    const headers = { 'Content-Type': 'application/json' }
    for (const body of ['{"a":"1"}', '{}', '{']) {
      const result = await fetched({ port, method: 'POST', headers }, body)
      run.note(result.status, result.body.toString())
    }
    run.note((await fetched({ port, path: '/fail' })).status)
    await pause(10)
  },
  'streams as answers': async run => {
    const app = Fastify()
    app.get('/', (_request, reply) => reply.send(Readable.from(['one ', 'two ', 'three'])))
    app.get('/large', (_request, reply) => reply.send(Readable.from([Buffer.alloc(1 << 20, 'x')])))
    const { port } = await listening(run, app)
    run.note((await fetched({ port })).body.toString(), (await fetched({ port, path: '/large' })).body.length)
  },
  'a client that half-closes is answered by an async handler': async run => {
    const { connect } = await import('node:net')
    const app = Fastify()
    app.get('/', async () => {
      await pause(10)
      return 'late'
    })
    const { port } = await listening(run, app)
    const client = connect(port)
    client.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    return (await text(client)).split('\r\n').at(-1)
  },
  'a body beyond bodyLimit': async run => {
    const app = Fastify({ bodyLimit: 100 })
    app.post('/', async request => request.body)
    const { port } = await listening(run, app)
    const headers = { 'Content-Type': 'text/plain', 'Content-Length': 101 }
    return (await fetched({ port, method: 'POST', headers }, 'x'.repeat(101))).status
  },
  'close answers what runs, and refuses what comes': async run => {
    const app = Fastify()
    app.get('/', async () => {
      await pause(40)
      return 'in time'
    })
    const { port } = await listening(run, app)
    const answer = fetched({ port })
    await happened(app.server, 'request')
    const closed = app.close()
    run.note((await answer).body.toString())
    await closed
    run.note(app.server.listening)
  },
  'close with an idle keep-alive connection': async run => {
    const app = Fastify({ forceCloseConnections: 'idle' })
    app.get('/', async () => 'ok')
    const { port } = await listening(run, app)
    const agent = new http.Agent({ keepAlive: true })
    run.defer(() => agent.destroy())
    await fetched({ port, agent })
    await app.close()
  },
  https: async run => {
    const app = Fastify({ https: certificate })
    app.post('/', async request => `secret ${request.body}`)
    const { port } = await listening(run, app)
    const headers = { 'Content-Type': 'text/plain' }
    const options = {
      port,
      ca: certificate.cert,
      servername: certified,
      method: 'POST',
      headers,
      agent: false,
    }
    const request = https.request(options)
    request.end('body')
    return text(await once(request, 'response'))
  },
  'what a request says of its connection': async run => {
    const app = Fastify()
    app.get('/', async request => [
      request.ip ?? null,
      request.protocol,
      request.host,
      request.socket.remotePort ?? null,
    ])
    const { port } = await listening(run, app)
    return (await fetched({ port, headers: { Host: 'example.org' } })).body.toString()
  },
  'connectionTimeout and a handler that hangs': async run => {
    const app = Fastify({ connectionTimeout: 60 })
    app.get('/', () => {})
    const { port } = await listening(run, app)
    const request = http.get({ port, agent: false })
    const error = await happened(request, 'error')
    return error.code
  },
})
