// axios, superagent and node-fetch over node:http: interceptors, cancels, limits, forms and streams.
import http from 'node:http'
import axios from 'axios'
import nodeFetch from 'node-fetch'
import { Readable } from 'node:stream'
import superagent from 'superagent'
import { bytes, cases, once, text } from '../cases.js'

async function serving(run, handler) {
  const server = run.keep(http.createServer(handler))
  await once(server.listen(0), 'listening')
  return `http://localhost:${server.address().port}`
}

const failure = promise =>
  promise.then(
    () => 'no error',
    error => `${error.code ?? error.name} ${error.response?.status ?? ''}`,
  )

await cases({
  'axios: JSON and methods': async run => {
    const url = await serving(run, async (req, res) => {
      res.setHeader('Content-Type', 'application/json')
      res.end(JSON.stringify([req.method, await text(req)]))
    })
    for (const method of ['get', 'delete', 'options']) run.note((await axios[method](url)).data)
    for (const method of ['post', 'put', 'patch']) run.note((await axios[method](url, { a: 1 })).data)
  },
  'axios: socketPath': async run => {
    const server = run.keep(http.createServer((req, res) => res.end(req.url)))
    const socketPath = run.path()
    await once(server.listen(socketPath), 'listening')
    return (await axios.get('http://localhost/here', { socketPath })).data
  },
  'axios: errors': async run => {
    const url = await serving(run, (req, res) => {
      if (req.url === '/500') res.writeHead(500).end('bad')
      else if (req.url === '/none') req.socket.destroy()
      else if (req.url === '/part') {
        res.writeHead(200, { 'Content-Length': 100 })
        res.write('a part')
        setTimeout(() => res.socket.destroy(), 20)
      }
    })
    for (const path of ['/500', '/none', '/part']) run.note(await failure(axios.get(url + path)))
    run.note(await failure(axios.get('http://localhost', { socketPath: run.path() })))
    run.note(await failure(axios.get(url, { timeout: 50 })))
    run.note(await failure(axios.get(url, { signal: AbortSignal.timeout(40) })))
  },
  'axios: limits of answers and bodies': async run => {
    const url = await serving(run, (_, res) => res.end('x'.repeat(1_000)))
    run.note(await failure(axios.get(url, { maxContentLength: 100 })))
    run.note(await failure(axios.post(url, 'x'.repeat(1_000), { maxBodyLength: 100, maxRedirects: 0 })))
  },
  'axios: streams and progress': async run => {
    const url = await serving(run, (req, res) => req.pipe(res))
    const sent = Buffer.alloc(1 << 20, '0123456789')
    const parts = Array.from({ length: 16 }, (_, n) => sent.subarray(n << 16, (n + 1) << 16))
    let last = 0
    const { data } = await axios.post(url, Readable.from(parts), {
      responseType: 'stream',
      onUploadProgress: ({ loaded }) => (last = loaded),
    })
    run.note((await bytes(data)).equals(sent), last)
  },
  'axios: forms': async run => {
    const url = await serving(run, async (req, res) =>
      res.end((await text(req)).replaceAll(/-{4,}[\w-]+/g, '--')),
    )
    return (await axios.postForm(url, { a: '1', b: ['2', '3'] })).data.length > 100
  },
  'axios: twenty at once through one agent': async run => {
    const url = await serving(run, (req, res) => res.end(req.url))
    const httpAgent = new http.Agent({ keepAlive: true, maxSockets: 3 })
    run.defer(() => httpAgent.destroy())
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, n) => axios.get(`${url}/${n}`, { httpAgent })),
    )
    return all.map(({ data }) => data)
  },
  'superagent: JSON, retries, timeouts, unix paths': async run => {
    let count = 0
    const url = await serving(run, async (req, res) => {
      if (req.url === '/retry' && count++ < 2) res.writeHead(503).end()
      else if (req.url !== '/hang') res.end(`${req.method} ${await text(req)}`)
    })
    run.note((await superagent.post(url).send({ a: 1 }).buffer(true).parse(asText)).body)
    run.note((await superagent.get(`${url}/retry`).retry(3).buffer(true).parse(asText)).body, count)
    run.note(await failure(superagent.get(`${url}/hang`).timeout(50)))
    const server = run.keep(http.createServer((req, res) => res.end(req.url)))
    const path = run.path()
    await once(server.listen(path), 'listening')
    const address = `http+unix://${path.replaceAll('/', '%2F')}/here`
    run.note((await superagent.get(address).buffer(true).parse(asText)).body)
  },
  'node-fetch: bodies, aborts, premature ends': async run => {
    const url = await serving(run, (req, res) => {
      if (req.url === '/part') {
        res.write('a part')
        setTimeout(() => res.socket.destroy(), 20)
      } else if (req.url !== '/hang') req.pipe(res)
    })
    run.note(await (await nodeFetch(url, { method: 'POST', body: 'body' })).text())
    run.note(await failure(nodeFetch(`${url}/part`).then(response => response.text())))
    run.note(await failure(nodeFetch(`${url}/hang`, { signal: AbortSignal.timeout(40) })))
  },
})

function asText(response, done) {
  void text(response).then(all => done(null, all), done)
}
