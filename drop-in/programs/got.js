// got, which watches every step of a connection for its timings, retries and timeouts.
import http from 'node:http'
import https from 'node:https'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import got from 'got'
import { bytes, cases, once, pause, text } from '../cases.js'
import { certificate, certified } from '../certificate.js'

async function serving(run, handler, options = {}) {
  const server = run.keep(http.createServer(options, handler))
  await once(server.listen(0), 'listening')
  return { server, url: `http://localhost:${server.address().port}` }
}

const failure = promise =>
  promise.then(
    () => 'no error',
    error => [error.name, error.code].join(' '),
  )
const once0 = { retry: { limit: 0 } }

await cases({
  'text, JSON and buffers': async run => {
    const { url } = await serving(run, async (req, res) =>
      res.end(JSON.stringify([req.method, await text(req)])),
    )
    run.note(await got(url).text(), await got.post(url, { json: { a: 1 } }).json())
    run.note((await got.put(url, { body: 'text' }).buffer()).toString())
  },
  'unix: in the address': async run => {
    const server = run.keep(http.createServer((req, res) => res.end(req.url)))
    const path = run.path()
    await once(server.listen(path), 'listening')
    return got(`unix:${path}:/here?x`, { enableUnixSockets: true }).text()
  },
  'timings have every phase': async run => {
    const { url } = await serving(run, (_, res) => res.end('timed'))
    const { timings } = await got(url)
    const { start, socket, connect, upload, response, end, phases } = timings
    run.note([start, socket, connect, upload, response, end].every(time => typeof time === 'number'))
    run.note(
      [socket, upload, response, end].every((time, index, all) => index === 0 || time >= all[index - 1]),
    )
    return Object.entries(phases).map(([name, value]) => `${name} ${typeof value}`)
  },
  redirects: async run => {
    const { url } = await serving(run, (req, res) => {
      if (req.url === '/3') res.end('there')
      else res.writeHead(302, { Location: `/${Number(req.url.slice(1)) + 1}` }).end()
    })
    const { body, redirectUrls } = await got(`${url}/1`)
    return [body, redirectUrls.length]
  },
  'retries after 503 and after a connection that breaks': async run => {
    let count = 0
    const { url } = await serving(run, (req, res) => {
      count++
      if (count === 1) res.writeHead(503).end()
      else if (count === 2) req.socket.destroy()
      else res.end('the third time')
    })
    const retry = { limit: 3, calculateDelay: ({ computedValue }) => (computedValue === 0 ? 0 : 1) }
    const { body, retryCount } = await got(url, { retry })
    return [body, retryCount]
  },
  'timeouts: request, response, socket, read': async run => {
    const { url } = await serving(run, (req, res) => {
      if (req.url === '/read') res.write('a part')
    })
    run.note(await failure(got(url, { ...once0, timeout: { request: 60 } })))
    run.note(await failure(got(url, { ...once0, timeout: { response: 60 } })))
    run.note(await failure(got(url, { ...once0, timeout: { socket: 60 } })))
    run.note(await failure(got(`${url}/read`, { ...once0, timeout: { read: 60 } })))
  },
  aborts: async run => {
    const { url } = await serving(run, () => {})
    run.note(await failure(got(url, { ...once0, signal: AbortSignal.timeout(40) })))
  },
  'errors: nobody listens, status, broken answers': async run => {
    run.note(await failure(got(`unix:${run.path()}:/`, { ...once0, enableUnixSockets: true })))
    const { url } = await serving(run, (req, res) => {
      if (req.url === '/404') res.writeHead(404).end()
      else if (req.url === '/none') req.socket.destroy()
      else {
        res.writeHead(200, { 'Content-Length': 100 })
        res.write('a part')
        setTimeout(() => res.socket.destroy(), 20)
      }
    })
    for (const path of ['/404', '/none', '/part']) run.note(await failure(got(url + path, once0)))
  },
  'streams both ways': async run => {
    const { url } = await serving(run, (req, res) => req.pipe(res))
    const sink = new PassThrough()
    const all = bytes(sink)
    const parts = Array.from({ length: 40 }, (_, n) => Buffer.alloc(50_000, String(n)))
    await pipeline(Readable.from(parts), got.stream.post(url), sink)
    return (await all).equals(Buffer.concat(parts))
  },
  'progress of an upload and a download': async run => {
    const { url } = await serving(run, async (req, res) => {
      await bytes(req)
      const body = Buffer.alloc(200_000)
      res.writeHead(200, { 'Content-Length': body.length })
      res.end(body)
    })
    const request = got.post(url, { body: Buffer.alloc(200_000) })
    const [up, down] = [[], []]
    void request.on('uploadProgress', progress => up.push(progress.percent))
    void request.on('downloadProgress', progress => down.push(progress.percent))
    await request
    return [up[0], up.at(-1), down[0], down.at(-1)]
  },
  'compressed answers': async run => {
    const { gzipSync } = await import('node:zlib')
    const { url } = await serving(run, (_, res) => {
      res.writeHead(200, { 'Content-Encoding': 'gzip' })
      res.end(gzipSync('x'.repeat(100_000)))
    })
    return (await got(url).text()).length
  },
  'keep-alive agents': async run => {
    const { server, url } = await serving(run, (_, res) => res.end('kept'))
    let connections = 0
    server.on('connection', () => connections++)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    run.defer(() => agent.destroy())
    for (let round = 0; round < 5; round++) await got(url, { agent: { http: agent } })
    await Promise.all(Array.from({ length: 20 }, () => got(url, { agent: { http: agent } })))
    return connections
  },
  'an early answer to an upload': async run => {
    const { url } = await serving(run, (req, res) => {
      res.writeHead(401, { Connection: 'close' }).end('no')
    })
    const { statusCode, body } = await got.post(url, {
      ...once0,
      body: 'x'.repeat(1_000),
      throwHttpErrors: false,
    })
    return [statusCode, body]
  },
  https: async run => {
    const server = run.keep(https.createServer(certificate, (req, res) => req.pipe(res)))
    await once(server.listen(0), 'listening')
    const url = `https://localhost:${server.address().port}`
    const checked = { certificateAuthority: certificate.cert, checkServerIdentity: () => {} }
    run.note(await got.post(url, { https: checked, body: 'secret' }).text())
    run.note(await failure(got(url, once0)))
    const { timings } = await got(url, { https: checked })
    run.note(typeof timings.phases.tls, certified.length > 0)
  },
  http2: async run => {
    const http2 = await import('node:http2')
    const server = run.keep(
      http2.createSecureServer({ ...certificate, allowHTTP1: true }, (req, res) => res.end(req.httpVersion)),
    )
    await once(server.listen(0), 'listening')
    const checked = { certificateAuthority: certificate.cert, checkServerIdentity: () => {} }
    const { body } = await got(`https://localhost:${server.address().port}`, { https: checked, http2: true })
    await pause(1)
    return body
  },
})
