// undici: its clients, pools and fetch, which take net and tls from the module.
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { PassThrough } from 'node:stream'
import undici from 'undici'
import { cases, once, pause, text, turns } from '../cases.js'
import { certificate, certified } from '../certificate.js'

const { Agent, Client, fetch, FormData, Pool, ProxyAgent, WebSocket } = undici

async function serving(run, handler, options = {}) {
  const server = run.keep(http.createServer(options, handler))
  await once(server.listen(0), 'listening')
  return { server, origin: `http://localhost:${server.address().port}` }
}

function dispatching(run, dispatcher) {
  run.defer(() => dispatcher.destroy())
  return dispatcher
}

const code = promise =>
  promise.then(
    () => 'no error',
    error => error.cause?.code ?? error.code ?? error.name,
  )

await cases({
  'a request by port': async run => {
    const { origin } = await serving(run, (req, res) => res.end(`${req.method} ${req.url}`))
    const client = dispatching(run, new Client(origin))
    const { statusCode, body } = await client.request({ path: '/x', method: 'GET' })
    return [statusCode, await body.text()]
  },
  'a request by socketPath': async run => {
    const server = run.keep(http.createServer((_, res) => res.end('by path')))
    const socketPath = run.path()
    await once(server.listen(socketPath), 'listening')
    const client = dispatching(run, new Client('http://localhost', { socketPath }))
    const { body } = await client.request({ path: '/', method: 'GET' })
    return body.text()
  },
  'events of a client': async run => {
    const { origin } = await serving(run, (_, res) => res.end('ok'))
    const client = dispatching(run, new Client(origin))
    for (const event of ['connect', 'disconnect', 'connectionError'])
      client.on(event, () => run.note(event, client.connected))
    const { body } = await client.request({ path: '/', method: 'GET' })
    await body.text()
    await client.close()
    await turns(3)
  },
  'a hundred requests on one connection': async run => {
    const { server, origin } = await serving(run, (req, res) => res.end(req.url))
    let connections = 0
    server.on('connection', () => connections++)
    const client = dispatching(run, new Client(origin, { pipelining: 10 }))
    const all = await Promise.all(
      Array.from({ length: 100 }, async (_, n) =>
        (await client.request({ path: `/${n}`, method: 'GET' })).body.text(),
      ),
    )
    return [all.every((answer, n) => answer === `/${n}`), connections]
  },
  'a pool': async run => {
    const { server, origin } = await serving(run, async (req, res) => {
      await pause(2)
      res.end(req.url)
    })
    let connections = 0
    server.on('connection', () => connections++)
    const pool = dispatching(run, new Pool(origin, { connections: 4 }))
    const all = await Promise.all(
      Array.from({ length: 40 }, async (_, n) =>
        (await pool.request({ path: `/${n}`, method: 'GET' })).body.text(),
      ),
    )
    return [all.every((answer, n) => answer === `/${n}`), connections]
  },
  'bodies of every kind': async run => {
    const { origin } = await serving(run, async (req, res) => res.end(await text(req)))
    const client = dispatching(run, new Client(origin))
    const send = async body => (await client.request({ path: '/', method: 'POST', body })).body.text()
    run.note(await send('text'), await send(Buffer.from('bytes')))
    const stream = new PassThrough()
    stream.end('stream')
    run.note(await send(stream))
    run.note(
      await send(
        (async function* () {
          yield 'iter'
          yield 'ated'
        })(),
      ),
    )
    const form = new FormData()
    form.append('name', 'value')
    run.note((await send(form)).includes('value'))
  },
  'three megabytes each way': async run => {
    const { origin } = await serving(run, (req, res) => req.pipe(res))
    const client = dispatching(run, new Client(origin))
    const sent = Buffer.alloc(3 << 20, '0123456789')
    const { body } = await client.request({ path: '/', method: 'POST', body: sent })
    return Buffer.from(await body.arrayBuffer()).equals(sent)
  },
  'stream and pipeline': async run => {
    const { origin } = await serving(run, (req, res) => req.pipe(res))
    const client = dispatching(run, new Client(origin))
    const sink = new PassThrough()
    const streamed = text(sink)
    await client.stream({ path: '/', method: 'POST', body: 'streamed', opaque: sink }, ({ opaque }) => opaque)
    run.note(await streamed)
    const duplex = client.pipeline({ path: '/', method: 'POST' }, ({ body }) => body)
    duplex.end('piped')
    run.note(await text(duplex))
  },
  fetch: async run => {
    const { origin } = await serving(run, async (req, res) => res.end(`${req.method} ${await text(req)}`))
    const dispatcher = dispatching(run, new Agent())
    const response = await fetch(origin, { dispatcher, method: 'POST', body: 'fetched' })
    return [response.status, await response.text()]
  },
  'fetch follows redirects, and reads a stream': async run => {
    const { origin } = await serving(run, (req, res) => {
      if (req.url === '/') res.writeHead(302, { Location: '/there' }).end()
      else {
        res.write('one ')
        setTimeout(() => res.end('two'), 20)
      }
    })
    const dispatcher = dispatching(run, new Agent())
    const response = await fetch(origin, { dispatcher })
    let all = ''
    for await (const chunk of response.body) all += Buffer.from(chunk)
    return [all, response.redirected]
  },
  'aborts: before, within the head, within the body': async run => {
    const { origin } = await serving(run, (req, res) => {
      if (req.url === '/body') res.write('a part')
    })
    const dispatcher = dispatching(run, new Agent())
    run.note(await code(fetch(origin, { dispatcher, signal: AbortSignal.abort() })))
    run.note(await code(fetch(origin, { dispatcher, signal: AbortSignal.timeout(30) })))
    const controller = new AbortController()
    const response = await fetch(`${origin}/body`, { dispatcher, signal: controller.signal })
    controller.abort()
    run.note(await code(response.text()))
  },
  'timeouts of head and body': async run => {
    const { origin } = await serving(run, (req, res) => {
      if (req.url === '/body') res.write('a part')
    })
    const client = dispatching(run, new Client(origin, { headersTimeout: 50, bodyTimeout: 50 }))
    run.note(await code(client.request({ path: '/', method: 'GET' })))
    const { body } = await client.request({ path: '/body', method: 'GET' })
    run.note(await code(body.text()))
  },
  'nobody listens': async run => {
    const client = dispatching(run, new Client('http://localhost', { socketPath: run.path() }))
    return code(client.request({ path: '/', method: 'GET' }))
  },
  'a server that hangs up': async run => {
    const { origin } = await serving(run, (req, res) => {
      if (req.url === '/body') res.write('a part')
      setTimeout(() => req.socket.destroy(), 20)
    })
    const client = dispatching(run, new Client(origin))
    run.note(await code(client.request({ path: '/', method: 'GET' })))
    const { body } = await client.request({ path: '/body', method: 'GET' })
    run.note(await code(body.text()))
  },
  'a server that closes idle connections': async run => {
    const { server, origin } = await serving(run, (_, res) => res.end('ok'))
    server.keepAliveTimeout = 30
    const client = dispatching(run, new Client(origin))
    for (let round = 0; round < 5; round++) {
      const { body } = await client.request({ path: '/', method: 'GET' })
      run.note(await body.text())
      await pause(20 * round)
    }
  },
  'an answer before the body is sent': async run => {
    const server = run.keep(
      net.createServer(socket => {
        socket.on('error', () => {})
        socket.once('data', () =>
          socket.end('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'),
        )
      }),
    )
    await once(server.listen(0), 'listening')
    const client = dispatching(run, new Client(`http://localhost:${server.address().port}`))
    const { statusCode, body } = await client.request({ path: '/', method: 'POST', body: 'small' })
    return [statusCode, await body.text()]
  },
  'answers that are none': async run => {
    const server = run.keep(
      net.createServer(socket => socket.once('data', () => socket.end('nonsense\r\n\r\n'))),
    )
    await once(server.listen(0), 'listening')
    const client = dispatching(run, new Client(`http://localhost:${server.address().port}`))
    return code(client.request({ path: '/', method: 'GET' }))
  },
  'an upgrade and CONNECT': async run => {
    const { server, origin } = await serving(run, () => {})
    server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.pipe(socket)
    })
    server.on('connect', (req, socket) => {
      socket.write('HTTP/1.1 200 Yes\r\n\r\n')
      socket.end(`to ${req.url}`)
    })
    const client = dispatching(run, new Client(origin))
    const upgraded = await client.upgrade({ path: '/', protocol: 'echo' })
    upgraded.socket.end('upgraded')
    run.note(await text(upgraded.socket))
    const { socket } = await client.connect({ path: 'far:1' })
    run.note(await text(socket))
  },
  'a proxy': async run => {
    const { origin } = await serving(run, (_, res) => res.end('beyond the proxy'))
    const proxy = run.keep(http.createServer())
    proxy.on('connect', (req, socket, head) => {
      const onward = net.connect({ port: Number(req.url.split(':')[1]), allowHalfOpen: true }, () => {
        socket.write('HTTP/1.1 200 Yes\r\n\r\n')
        onward.write(head)
        socket.pipe(onward).pipe(socket)
      })
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
    })
    await once(proxy.listen(0), 'listening')
    const options = { uri: `http://localhost:${proxy.address().port}`, proxyTunnel: true }
    const dispatcher = dispatching(run, new ProxyAgent(options))
    return (await fetch(origin, { dispatcher })).text()
  },
  'https, and a certificate that is not trusted': async run => {
    const server = run.keep(https.createServer(certificate, (req, res) => req.pipe(res)))
    await once(server.listen(0), 'listening')
    const origin = `https://localhost:${server.address().port}`
    const connect = { ca: certificate.cert, servername: certified }
    const client = dispatching(run, new Client(origin, { connect }))
    const sent = Buffer.alloc(1 << 20, 'x')
    const { body } = await client.request({ path: '/', method: 'POST', body: sent })
    run.note(Buffer.from(await body.arrayBuffer()).equals(sent))
    const other = dispatching(run, new Client(origin))
    run.note(await code(other.request({ path: '/', method: 'GET' })))
  },
  http2: async run => {
    const server = run.keep(http2.createSecureServer(certificate, (req, res) => req.pipe(res)))
    await once(server.listen(0), 'listening')
    const connect = { ca: certificate.cert, servername: certified }
    const options = { connect, allowH2: true }
    const client = dispatching(run, new Client(`https://localhost:${server.address().port}`, options))
    const { body } = await client.request({ path: '/', method: 'POST', body: 'second version' })
    run.note(await body.text())
    await client.close()
  },
  'a web socket': async run => {
    const { WebSocketServer } = await import('ws')
    const server = new WebSocketServer({ port: 0 })
    run.defer(() => server.close())
    server.on('connection', socket => socket.on('message', data => socket.send(`got ${data}`)))
    await once(server, 'listening')
    const dispatcher = dispatching(run, new Agent())
    const client = new WebSocket(`ws://localhost:${server.address().port}`, { dispatcher })
    client.addEventListener('open', () => client.send('it'))
    const { data } = await new Promise(resolve => client.addEventListener('message', resolve))
    client.close(1000)
    const { code: closeCode } = await new Promise(resolve => client.addEventListener('close', resolve))
    return [data, closeCode]
  },
  'backpressure: a body that is read slowly': async run => {
    const { origin } = await serving(run, (_, res) => res.end(Buffer.alloc(5 << 20)))
    const client = dispatching(run, new Client(origin))
    const { body } = await client.request({ path: '/', method: 'GET' })
    let size = 0
    for await (const chunk of body) {
      size += chunk.length
      await turns(1)
    }
    return size
  },
  'a body that is not read, and the next request': async run => {
    const { origin } = await serving(run, (req, res) =>
      res.end(req.url === '/' ? Buffer.alloc(200_000) : 'next'),
    )
    const client = dispatching(run, new Client(origin))
    const { body } = await client.request({ path: '/', method: 'GET' })
    await body.dump()
    return (await client.request({ path: '/next', method: 'GET' })).body.text()
  },
  'close and destroy of a client': async run => {
    const { origin } = await serving(run, async (_, res) => {
      await pause(30)
      res.end('in time')
    })
    const client = new Client(origin)
    const answer = client.request({ path: '/', method: 'GET' }).then(({ body }) => body.text())
    await turns(5)
    await client.close()
    run.note(await answer, client.closed)
    const other = new Client(origin)
    const lost = code(other.request({ path: '/', method: 'GET' }))
    await turns(5)
    await other.destroy()
    run.note(await lost, other.destroyed)
  },
})
