// node:http's client and agent, against node:http's server and against servers that speak byte by byte.
import http from 'node:http'
import net from 'node:net'
import { pipeline } from 'node:stream/promises'
import { bytes, cases, happened, once, pause, text, turns } from '../cases.js'

async function serving(run, handler, options = {}) {
  const server = run.keep(http.createServer(options, handler))
  const path = run.path()
  await once(server.listen(path), 'listening')
  return { server, socketPath: path }
}

/** A server that gets a client's socket, and speaks for itself. */
async function speaking(run, onSocket) {
  const server = run.keep(net.createServer(onSocket))
  const path = run.path()
  await once(server.listen(path), 'listening')
  return { server, socketPath: path }
}

const requestEvents = ['socket', 'finish', 'response', 'abort', 'error', 'timeout', 'close']
const responseEvents = ['aborted', 'error', 'end', 'close']

/** A request, its answer and the answer's body. */
async function fetched(options, body) {
  const request = http.request(options)
  request.end(body)
  const response = await once(request, 'response')
  return { response, body: await text(response), request }
}

const sizes = object => Object.values(object).map(list => list.length)

const agentFor = (run, options) => {
  const agent = new http.Agent(options)
  run.defer(() => agent.destroy())
  return agent
}

await cases({
  'a request over socketPath': async run => {
    const { socketPath } = await serving(run, (req, res) =>
      res.end(`${req.method} ${req.url} ${req.headers.host}`),
    )
    const { response, body } = await fetched({ socketPath, path: '/x', headers: { a: 'b' } })
    return [response.statusCode, body, Object.keys(response.headers).toSorted()]
  },
  'a request over a port': async run => {
    const server = run.keep(http.createServer((req, res) => res.end(req.headers.host.replace(/:\d+$/, ''))))
    await once(server.listen(0), 'listening')
    const { body } = await fetched({ port: server.address().port })
    return body
  },
  'events of a request and its answer': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('ok'))
    const request = http.get({ socketPath, agent: false })
    run.follow('request', request, requestEvents)
    const response = await once(request, 'response')
    run.follow('response', response, responseEvents)
    run.note(await text(response))
    await happened(request, 'close')
  },
  'keep-alive reuses a connection': async run => {
    const { server, socketPath } = await serving(run, (req, res) =>
      req.resume().on('end', () => res.end('ok')),
    )
    let connections = 0
    server.on('connection', () => connections++)
    const agent = agentFor(run, { keepAlive: true })
    for (let round = 0; round < 5; round++) {
      const { request } = await fetched({ socketPath, agent, method: 'POST' }, 'body')
      run.note(request.reusedSocket)
      await turns(2)
    }
    return [connections, sizes(agent.sockets), sizes(agent.freeSockets), Object.keys(agent.requests)]
  },
  'maxSockets queues': async run => {
    const { server, socketPath } = await serving(run, async (req, res) => {
      await pause(5)
      res.end(req.url)
    })
    let connections = 0
    server.on('connection', () => connections++)
    const agent = agentFor(run, { keepAlive: true, maxSockets: 2 })
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, number) => fetched({ socketPath, agent, path: `/${number}` })),
    )
    return [all.map(({ body }) => body), connections]
  },
  'without keep-alive each request has its connection': async run => {
    const { server, socketPath } = await serving(run, (req, res) => res.end(req.headers.connection))
    let connections = 0
    server.on('connection', () => connections++)
    const agent = agentFor(run, { keepAlive: false })
    run.note((await fetched({ socketPath, agent })).body, (await fetched({ socketPath, agent })).body)
    return connections
  },
  'a socket that is free emits free, and is removed when it closes': async run => {
    const { server, socketPath } = await serving(run, (_, res) => res.end('ok'))
    const agent = agentFor(run, { keepAlive: true })
    agent.on('free', (_socket, options) => run.note('free', typeof options))
    const accepted = once(server, 'connection')
    const { request } = await fetched({ socketPath, agent })
    await turns(3)
    run.note(Object.keys(agent.freeSockets).length)
    ;(await accepted).destroy()
    await happened(request.socket, 'close')
    await turns(2)
    run.note(Object.keys(agent.freeSockets).length)
  },
  'no listener': async run => {
    const request = run.follow('request', http.get({ socketPath: run.path(), agent: false }), requestEvents)
    await happened(request, 'close')
    return request.destroyed
  },
  'destroyed at once': async run => {
    const { socketPath } = await serving(run, () => run.note('requested'))
    const request = run.follow('request', http.get({ socketPath }), requestEvents)
    request.destroy()
    await happened(request, 'close')
    await turns(5)
  },
  'aborted by a signal': async run => {
    const { socketPath } = await serving(run, () => {})
    const controller = new AbortController()
    const request = http.get({ socketPath, signal: controller.signal, agent: false })
    run.follow('request', request, requestEvents)
    const socket = await once(request, 'socket')
    await once(socket, 'connect')
    await turns(5)
    controller.abort()
    await happened(request, 'close')
  },
  'destroyed while the answer comes': async run => {
    const { socketPath } = await serving(run, (_, res) => res.write('a part'))
    const request = run.follow('request', http.get({ socketPath, agent: false }), requestEvents)
    const response = run.follow('response', await once(request, 'response'), responseEvents)
    await happened(response, 'data')
    request.destroy(new Error('by choice'))
    await happened(request, 'close')
    await turns(5)
    return [response.complete, response.aborted]
  },
  'a server that hangs up': async run => {
    const { socketPath } = await serving(run, req => req.socket.destroy())
    const request = run.follow('request', http.get({ socketPath, agent: false }), requestEvents)
    await happened(request, 'close')
    return request.reusedSocket
  },
  'a server that ends within the answer': async run => {
    const { socketPath } = await serving(run, (_, res) => {
      res.write('a part')
      setTimeout(() => res.socket.destroy(), 20)
    })
    const request = run.follow('request', http.get({ socketPath, agent: false }), requestEvents)
    const response = run.follow('response', await once(request, 'response'), responseEvents)
    response.resume()
    await happened(response, 'close')
    return [response.complete, response.aborted, response.destroyed]
  },
  'a server that ends at once': async run => {
    const { socketPath } = await speaking(run, socket => socket.end())
    const request = run.follow('request', http.get({ socketPath, agent: false }), requestEvents)
    await happened(request, 'close')
  },
  'an answer without a length ends with the connection': async run => {
    const { socketPath } = await speaking(run, socket => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nup to the end'))
    })
    const { body, response } = await fetched({ socketPath, agent: false })
    return [body, response.complete]
  },
  'an answer that is none': async run => {
    const { socketPath } = await speaking(run, socket => {
      socket.once('data', () => socket.end('nonsense\r\n\r\n'))
    })
    const request = http.get({ socketPath, agent: false })
    const error = await happened(request, 'error')
    return [error.code, error.bytesParsed, error.reason]
  },
  'an answer before the body is sent, and the end': async run => {
    const { socketPath } = await speaking(run, socket => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.end('HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge')
      })
    })
    const request = http.request({ socketPath, method: 'POST', agent: false })
    request.on('error', error => run.note(['EPIPE', 'ECONNRESET'].includes(error.code)))
    request.write(Buffer.alloc(100))
    const response = await happened(request, 'response')
    return [response.statusCode, await text(response)]
  },
  'an answer in single bytes': async run => {
    const { socketPath } = await speaking(run, socket => {
      socket.once('data', async () => {
        for (const letter of 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc') {
          socket.write(letter)
          await turns(1)
        }
      })
    })
    return (await fetched({ socketPath, agent: false })).body
  },
  'continue, information and expectations': async run => {
    const { socketPath } = await serving(run, async (req, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' })
      res.end(await text(req))
    })
    const request = http.request({ socketPath, method: 'POST', headers: { Expect: '100-continue' } })
    request.on('continue', () => {
      run.note('continue')
      request.end('the body')
    })
    request.on('information', ({ statusCode }) => run.note(statusCode))
    request.flushHeaders()
    return text(await once(request, 'response'))
  },
  'an upgrade': async run => {
    const { server, socketPath } = await serving(run, () => {})
    server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhead')
      socket.on('end', () => run.note('the end'))
      socket.pipe(socket)
    })
    const request = http.get({ socketPath, headers: { Connection: 'Upgrade', Upgrade: 'echo' } })
    const { socket, head, response } = await new Promise(resolve => {
      request.on('upgrade', (res, sock, first) => resolve({ response: res, socket: sock, head: first }))
    })
    run.note(response.statusCode, head.toString(), socket === request.socket, socket.listenerCount('data'))
    socket.end('to and fro')
    return text(socket)
  },
  CONNECT: async run => {
    const { server, socketPath } = await serving(run, () => {})
    server.on('connect', (req, socket, head) => {
      socket.write('HTTP/1.1 200 Yes\r\n\r\n')
      socket.end(`${req.url} ${head}`)
    })
    const request = http.request({ socketPath, method: 'CONNECT', path: 'far:1' })
    request.end()
    const { socket, head } = await new Promise(resolve => {
      request.on('connect', (_res, sock, first) => resolve({ socket: sock, head: first }))
    })
    socket.unshift(head)
    return text(socket)
  },
  trailers: async run => {
    const { socketPath } = await serving(run, (req, res) => {
      req.resume()
      req.on('end', () => {
        res.setHeader('Trailer', 'X-Sum')
        res.write('x')
        res.addTrailers({ 'X-Sum': String(req.trailers['x-from']) })
        res.end()
      })
    })
    const request = http.request({ socketPath, method: 'POST', headers: { Trailer: 'X-From' } })
    request.write('body')
    request.addTrailers({ 'X-From': 'client' })
    request.end()
    const response = await once(request, 'response')
    response.resume()
    await once(response, 'end')
    return response.trailers
  },
  'timeouts of a request, of its options and of the agent': async run => {
    const { socketPath } = await serving(run, () => {})
    const byMethod = http.get({ socketPath, agent: false })
    byMethod.setTimeout(30, () => run.note('called'))
    const byOption = http.get({ socketPath, agent: false, timeout: 30 })
    const byAgent = http.get({ socketPath, agent: agentFor(run, { timeout: 30 }) })
    for (const request of [byMethod, byOption, byAgent]) {
      request.on('error', () => {})
      await happened(request, 'timeout')
      run.note(request.destroyed, request.socket.timeout)
      request.destroy()
    }
  },
  'a timeout while the answer comes': async run => {
    const { socketPath } = await serving(run, (_, res) => res.write('a part'))
    const request = http.get({ socketPath, agent: false })
    const response = await once(request, 'response')
    response.resume().on('error', () => {})
    response.setTimeout(30)
    await happened(response, 'timeout')
    request.destroy()
  },
  'bodies of a megabyte each way': async run => {
    const { socketPath } = await serving(run, (req, res) => req.pipe(res))
    const sent = Buffer.alloc(1 << 20, '0123456789')
    const request = http.request({ socketPath, method: 'POST' })
    request.end(sent)
    return (await bytes(await once(request, 'response'))).equals(sent)
  },
  'backpressure of a request': async run => {
    const { socketPath } = await serving(run, async (req, res) => {
      let size = 0
      for await (const chunk of req) size += chunk.length
      res.end(String(size))
    })
    const request = http.request({ socketPath, method: 'POST' })
    const response = once(request, 'response')
    let stops = 0
    for (let sent = 0; sent < 60; sent++)
      if (!request.write(Buffer.alloc(50_000))) {
        stops++
        await happened(request, 'drain')
      }
    request.end()
    run.note(stops > 0)
    return text(await response)
  },
  'pipeline into a request': async run => {
    const { socketPath } = await serving(run, (req, res) => req.pipe(res))
    const request = http.request({ socketPath, method: 'PUT' })
    const response = once(request, 'response')
    await pipeline(async function* () {
      for (let part = 0; part < 50; part++) yield `${part} `
    }, request)
    return text(await response)
  },
  'createConnection of the options': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('ours'))
    const createConnection = () => net.createConnection(socketPath)
    return (await fetched({ createConnection, host: 'x' })).body
  },
  'an agent with a createConnection that calls back': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('late'))
    const agent = agentFor(run, { keepAlive: true })
    agent.createConnection = (_options, callback) => {
      const socket = net.createConnection(socketPath, () => callback(null, socket))
    }
    run.note((await fetched({ agent })).body, (await fetched({ agent })).body)
  },
  'writes with callbacks, before there is a connection': async run => {
    const { socketPath } = await serving(run, async (req, res) => res.end(await text(req)))
    const request = http.request({ socketPath, method: 'POST' })
    request.on('finish', () => run.note('finish'))
    request.write('a', () => run.note('a'))
    request.write('b', () => run.note('b'))
    request.end('c', () => run.note('end'))
    return text(await once(request, 'response'))
  },
  'HEAD and 304 keep their connection': async run => {
    const { server, socketPath } = await serving(run, (req, res) => {
      res.statusCode = req.method === 'HEAD' ? 200 : 304
      res.setHeader('Content-Length', 10)
      res.end()
    })
    let connections = 0
    server.on('connection', () => connections++)
    const agent = agentFor(run, { keepAlive: true })
    for (const method of ['HEAD', 'GET', 'HEAD']) {
      run.note((await fetched({ socketPath, agent, method })).body)
      await turns(2)
    }
    return connections
  },
  'a server that closes after its answer, 100 times': async run => {
    const { socketPath } = await serving(run, (_, res) => res.setHeader('Connection', 'close').end('once'))
    const agent = agentFor(run, { keepAlive: true })
    let good = 0
    for (let round = 0; round < 100; round++) good += (await fetched({ socketPath, agent })).body === 'once'
    return good
  },
  'many requests at once on one agent': async run => {
    const { socketPath } = await serving(run, (req, res) => res.end(req.url))
    const agent = agentFor(run, { keepAlive: true })
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, number) => fetched({ socketPath, agent, path: `/${number}` })),
    )
    return all.every(({ body }, number) => body === `/${number}`)
  },
  'agent.destroy ends idle and busy connections': async run => {
    const { socketPath } = await serving(run, (req, res) => {
      if (req.url === '/idle') res.end()
    })
    const agent = new http.Agent({ keepAlive: true })
    await fetched({ socketPath, agent, path: '/idle' })
    const busy = run.follow('busy', http.get({ socketPath, agent, path: '/busy' }), ['error', 'close'])
    const socket = await once(busy, 'socket')
    if (socket.connecting) await once(socket, 'connect')
    await turns(5)
    agent.destroy()
    await happened(busy, 'close')
  },
  'settings of the socket are accepted': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('set'))
    const request = http.get({ socketPath, agent: false })
    request.setNoDelay(true)
    request.setSocketKeepAlive(true, 1_000)
    return text(await once(request, 'response'))
  },
  'an answer that nobody reads': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('x'.repeat(1_000)))
    const request = http.get({ socketPath, agent: false })
    const response = await once(request, 'response')
    await turns(10)
    run.note(response.complete)
    request.destroy()
  },
  'for await, and a break': async run => {
    const { socketPath } = await serving(run, (_, res) => {
      res.write('x'.repeat(100_000))
      res.end('y')
    })
    const request = http.get({ socketPath, agent: false })
    request.on('error', error => run.note(error))
    for await (const chunk of await once(request, 'response')) {
      run.note(chunk.length > 0)
      break
    }
    if (!request.closed) await happened(request, 'close')
  },
})
