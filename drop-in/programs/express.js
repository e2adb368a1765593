// express: an application as people write it, under the server that `app.listen()` makes.
import { Buffer } from 'node:buffer'
import { mkdirSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import express from 'express'
import { bytes, cases, happened, once, text } from '../cases.js'

async function listening(run, app) {
  const server = run.keep(app.listen(0))
  await once(server, 'listening')
  return { server, port: server.address().port }
}

async function fetched(options, body) {
  const request = http.request({ agent: false, ...options })
  request.end(body)
  const response = await once(request, 'response')
  return { status: response.statusCode, headers: response.headers, body: await bytes(response) }
}

await cases({
  'routes, parameters, JSON': async run => {
    const app = express()
    app.use(express.json())
    app.get('/user/:id', (req, res) => res.json({ id: req.params.id, query: req.query.q }))
    app.post('/echo', (req, res) => res.status(201).json(req.body))
    const { port } = await listening(run, app)
    run.note((await fetched({ port, path: '/user/7?q=x' })).body.toString())
    const headers = { 'Content-Type': 'application/json' }
    const made = await fetched({ port, path: '/echo', method: 'POST', headers }, '{"a":[1,2]}')
    run.note(made.status, made.body.toString())
    run.note((await fetched({ port, path: '/nowhere' })).status)
  },
  'errors, thrown and rejected': async run => {
    const app = express()
    app.get('/thrown', () => {
      throw new Error('thrown')
    })
    app.get('/rejected', async () => {
      throw new Error('rejected')
    })
    app.use((error, _req, res, _next) => res.status(500).send(error.message))
    const { port } = await listening(run, app)
    for (const path of ['/thrown', '/rejected']) {
      const { status, body } = await fetched({ port, path })
      run.note(status, body.toString())
    }
  },
  'files, ranges and etags': async run => {
    const folder = join(run.directory, 'files')
    mkdirSync(folder)
    const content = Buffer.alloc(500_000, '0123456789')
    writeFileSync(join(folder, 'large.txt'), content)
    const app = express()
    app.use(express.static(folder))
    const { port } = await listening(run, app)
    const whole = await fetched({ port, path: '/large.txt' })
    run.note(whole.body.equals(content))
    const part = await fetched({ port, path: '/large.txt', headers: { Range: 'bytes=10-19' } })
    run.note(part.status, part.body.toString())
    const again = await fetched({
      port,
      path: '/large.txt',
      headers: { 'If-None-Match': whole.headers.etag },
    })
    run.note(again.status, again.body.length)
  },
  'a body that is too large': async run => {
    const app = express()
    app.use(express.text({ limit: 100 }))
    app.post('/', (req, res) => res.send(req.body))
    const { port } = await listening(run, app)
    const headers = { 'Content-Type': 'text/plain', 'Content-Length': 101 }
    const { status } = await fetched({ port, method: 'POST', headers }, 'x'.repeat(101))
    return status
  },
  'events that a server sends': async run => {
    const app = express()
    app.get('/', (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      let count = 0
      const timer = setInterval(() => {
        res.write(`data: ${count++}\n\n`)
        if (count < 4) return
        clearInterval(timer)
        res.end()
      }, 5)
    })
    const { port } = await listening(run, app)
    return (await fetched({ port })).body.toString()
  },
  'what a request says of its connection': async run => {
    const app = express()
    app.set('trust proxy', true)
    app.get('/', (req, res) => res.json([req.ip ?? null, req.protocol, req.secure, req.hostname]))
    const { port } = await listening(run, app)
    const headers = { Host: 'example.org', 'X-Forwarded-For': '1.2.3.4', 'X-Forwarded-Proto': 'https' }
    return (await fetched({ port, headers })).body.toString()
  },
  'a client that leaves': async run => {
    const closed = new Promise(resolve => {
      const app = express()
      app.get('/', (req, res) => {
        req.on('close', () => resolve([req.destroyed, res.writableEnded, res.writableFinished]))
        res.write('a part')
      })
      void listening(run, app).then(async ({ port }) => {
        const request = http.get({ port, agent: false })
        request.on('error', () => {})
        const response = await once(request, 'response')
        response.on('error', () => {})
        await happened(response, 'data')
        request.destroy()
      })
    })
    return closed
  },
  'fifty requests on one connection': async run => {
    const app = express()
    app.post('/', express.raw({ type: () => true }), (req, res) => res.send(req.body))
    const { port } = await listening(run, app)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    run.defer(() => agent.destroy())
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        fetched({ port, agent, method: 'POST' }, Buffer.alloc(n * 100, String(n))),
      ),
    )
    return all.every(({ body }, n) => body.length === n * 100)
  },
  'close while a request runs': async run => {
    const app = express()
    app.get('/', (_req, res) => setTimeout(() => res.send('in time'), 30))
    const { server, port } = await listening(run, app)
    const request = http.get({ port, agent: false })
    await happened(server, 'request')
    const closed = new Promise(resolve => server.close(resolve))
    run.note(await text(await once(request, 'response')))
    await closed
  },
})
