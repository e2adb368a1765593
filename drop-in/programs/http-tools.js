// Tools that stand between node:http and its sockets: proxies, agents, servers that stop.
import http from 'node:http'
import net from 'node:net'
import AgentKeepAlive from 'agentkeepalive'
import httpProxy from 'http-proxy'
import stoppable from 'stoppable'
import { bytes, cases, happened, once, pause, text, turns } from '../cases.js'

async function serving(run, handler) {
  const server = run.keep(http.createServer(handler))
  await once(server.listen(0), 'listening')
  return { server, port: server.address().port }
}

async function fetched(options, body) {
  const request = http.request({ agent: false, ...options })
  request.end(body)
  const response = await once(request, 'response')
  return { status: response.statusCode, body: await bytes(response) }
}

await cases({
  'http-proxy: requests and large bodies': async run => {
    const { port } = await serving(run, (req, res) => req.pipe(res))
    const proxy = httpProxy.createProxyServer({ target: { host: 'localhost', port } })
    const front = await serving(run, (req, res) => proxy.web(req, res))
    const sent = Buffer.alloc(1 << 20, '0123456789')
    const { body } = await fetched({ port: front.port, method: 'POST' }, sent)
    return body.equals(sent)
  },
  'http-proxy: a target by path': async run => {
    const socketPath = run.path()
    const server = run.keep(http.createServer((req, res) => res.end(req.url)))
    await once(server.listen(socketPath), 'listening')
    const proxy = httpProxy.createProxyServer({ target: { socketPath } })
    const front = await serving(run, (req, res) => proxy.web(req, res))
    return (await fetched({ port: front.port, path: '/through' })).body.toString()
  },
  'http-proxy: a target that is not there': async run => {
    const proxy = httpProxy.createProxyServer({ target: { socketPath: run.path() } })
    const front = await serving(run, (req, res) => {
      proxy.web(req, res, {}, error => res.writeHead(502).end(error.code))
    })
    const { status, body } = await fetched({ port: front.port })
    return [status, body.toString()]
  },
  'agentkeepalive: reuse, and sockets that expire': async run => {
    const { server, port } = await serving(run, (_, res) => res.end('ok'))
    let connections = 0
    server.on('connection', () => connections++)
    const agent = new AgentKeepAlive({ freeSocketTimeout: 60, maxSockets: 1 })
    run.defer(() => agent.destroy())
    for (let round = 0; round < 5; round++) {
      await fetched({ port, agent })
      await turns(3)
    }
    run.note(connections)
    await pause(120)
    await fetched({ port, agent })
    const { createSocketCount, closeSocketCount, timeoutSocketCount, requestCount } = agent.getCurrentStatus()
    return [connections, createSocketCount, closeSocketCount, timeoutSocketCount, requestCount]
  },
  'agentkeepalive: a timeout': async run => {
    const { port } = await serving(run, () => {})
    const agent = new AgentKeepAlive({ timeout: 60 })
    run.defer(() => agent.destroy())
    const error = await happened(http.get({ port, agent }), 'error')
    return error.code
  },
  'stoppable: idle connections end at once': async run => {
    const server = stoppable(
      run.keep(http.createServer((_, res) => setTimeout(() => res.end('ok'), 30))),
      Infinity,
    )
    await once(server.listen(0), 'listening')
    const { port } = server.address()
    const agent = new http.Agent({ keepAlive: true })
    run.defer(() => agent.destroy())
    await fetched({ port, agent })
    const busy = fetched({ port })
    await happened(server, 'request')
    const stopped = new Promise(resolve => server.stop((_error, gracefully) => resolve(gracefully)))
    run.note((await busy).body.toString())
    return stopped
  },
  'a proxy made by hand, of sockets': async run => {
    const { port } = await serving(run, (req, res) => res.end(`${req.method} through`))
    const front = run.keep(
      net.createServer(client => {
        const onward = net.connect(port)
        client.pipe(onward)
        onward.pipe(client)
        client.on('error', () => onward.destroy())
        onward.on('error', () => client.destroy())
      }),
    )
    await once(front.listen(0), 'listening')
    const request = http.get({ port: front.address().port, agent: false })
    return text(await once(request, 'response'))
  },
})
