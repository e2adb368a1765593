// Corners of node:http that touch the socket below: raw writes, listeners of others, counts, pools, overrides.
import { statSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { bytes, cases, happened, once, pause, text, turns } from '../cases.js'

async function serving(run, handler, options = {}, listening = {}) {
  const server = run.keep(http.createServer(options, handler))
  const path = run.path()
  await once(server.listen({ path, ...listening }), 'listening')
  return { server, socketPath: path }
}

async function fetched(options, body) {
  const request = http.request({ agent: false, ...options })
  request.end(body)
  const response = await once(request, 'response')
  return { response, request, body: await bytes(response) }
}

function agentFor(run, options) {
  const agent = new http.Agent(options)
  run.defer(() => agent.destroy())
  return agent
}

const count = object => Object.values(object).reduce((sum, list) => sum + list.length, 0)

const plain = answer => answer.replaceAll(/Date: .*\r\n/g, '').replaceAll('\r\n', ' / ')
const line = (first, ...headers) => [`${first} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')

function spoken(path, all) {
  const client = net.connect({ path, allowHalfOpen: true })
  const answer = text(client)
  client.write(all)
  return answer.then(plain)
}

await cases({
  'bytes are counted on both ends': async run => {
    const counts = []
    const { server, socketPath } = await serving(run, (req, res) => {
      req.resume()
      res.sendDate = false
      res.end('x'.repeat(5_000))
    })
    server.on('connection', socket =>
      socket.on('close', () => counts.push(socket.bytesRead, socket.bytesWritten)),
    )
    const headers = { Connection: 'close', Host: 'x' }
    const { request } = await fetched({ socketPath, method: 'POST', headers }, 'y'.repeat(3_000))
    if (!request.socket.closed) await happened(request.socket, 'close')
    await pause(20)
    return [request.socket.bytesRead, request.socket.bytesWritten, ...counts]
  },
  "a server's connection with a listener of 'data' besides": async run => {
    const { server, socketPath } = await serving(run, (_, res) => res.end('parsed'))
    const seen = []
    server.on('connection', socket => socket.on('data', data => seen.push(data)))
    run.note((await fetched({ socketPath, path: '/seen' })).body.toString())
    return Buffer.concat(seen).toString().split('\r\n')[0]
  },
  'setEncoding on a socket of a server': async run => {
    const { socketPath } = await serving(run, (req, res) => {
      try {
        req.socket.setEncoding('utf8')
      } catch (error) {
        run.note(error)
      }
      res.end()
    })
    await fetched({ socketPath })
  },
  'an answer written by hand': async run => {
    const { socketPath } = await serving(run, req => {
      req.socket.write('HTTP/1.1 200 By hand\r\nContent-Length: 2\r\n\r\n')
      req.socket.end('ok')
    })
    const { response, body } = await fetched({ socketPath })
    return [response.statusMessage, body.toString()]
  },
  'a socket that is detached from its answer': async run => {
    const { socketPath } = await serving(run, (_, res) => {
      const { socket } = res
      res.detachSocket(socket)
      run.note(res.socket)
      socket.end('HTTP/1.1 204 Detached\r\n\r\n')
    })
    return (await fetched({ socketPath })).response.statusMessage
  },
  'a flood of pipelined requests, whose answers are read late': async run => {
    let answered = 0
    const { socketPath } = await serving(run, (_, res) => {
      answered++
      res.end('x'.repeat(1_000))
    })
    const client = run.keep(net.connect(socketPath))
    client.pause()
    const wanted = 3_000
    for (let number = 1; number < wanted; number++) client.write(line('GET /'))
    client.write(line('GET /', 'Connection: close'))
    await pause(100)
    run.note(answered < wanted)
    const all = text(client)
    client.resume()
    const answer = await all
    return [answer.split('HTTP/1.1 200').length - 1, answered]
  },
  'callbacks of an answer whose client has gone': async run => {
    const { server, socketPath } = await serving(run, () => {})
    const client = net.connect(socketPath)
    client.on('error', () => {})
    client.write(line('GET /'))
    const res = await new Promise(resolve => server.on('request', (_req, response) => resolve(response)))
    client.destroy()
    await happened(res, 'close')
    res.on('error', error => run.note('error', error.code))
    run.note(res.destroyed, res.writable, res.writableEnded, res.socket === null)
    run.note(res.write('late', error => run.note('written', error?.code ?? 'none')))
    res.end('later', () => run.note('ended'))
    await turns(5)
    run.note(res.writableFinished, res.errored?.code)
  },
  'state of an answer, step by step': async run => {
    const { socketPath } = await serving(run, (_, res) => {
      const state = () => [
        res.headersSent,
        res.writableLength,
        res.writableEnded,
        res.writableFinished,
        res.finished,
      ]
      run.note(state(), res.writableHighWaterMark)
      res.write('abc')
      run.note(state().with?.(1, 'length') ?? 'old')
      res.end()
      run.note(res.writableEnded)
      res.on('finish', () => run.note('finish', res.writableLength, res.writableFinished))
    })
    await fetched({ socketPath })
    await turns(3)
  },
  'many writes with callbacks, and drain': async run => {
    const order = []
    const { socketPath } = await serving(run, (_, res) => {
      for (let number = 0; number < 30; number++) res.write('x'.repeat(5_000), () => order.push(number))
      res.on('drain', () => order.push('drain'))
      res.end(() => order.push('end'))
    })
    await fetched({ socketPath })
    await turns(3)
    const numbers = order.filter(entry => typeof entry === 'number')
    return [numbers.every((number, index) => number === index), order.at(-1)]
  },
  'highWaterMark of a server': async run => {
    const options = { highWaterMark: 1_000 }
    const { socketPath } = await serving(
      run,
      (req, res) => {
        run.note(
          req.socket.readableHighWaterMark,
          req.socket.writableHighWaterMark,
          res.writableHighWaterMark,
        )
        res.end()
      },
      options,
    )
    await fetched({ socketPath })
  },
  'readableAll and writableAll of a server': async run => {
    const { socketPath } = await serving(run, () => {}, {}, { readableAll: true, writableAll: true })
    return (statSync(socketPath).mode & 0o777).toString(8)
  },
  'closed in its own handler': async run => {
    const { server, socketPath } = await serving(run, (_, res) => {
      server.close()
      res.end('the last')
    })
    const agent = agentFor(run, { keepAlive: true })
    run.note((await fetched({ socketPath, agent })).body.toString())
    agent.destroy()
    await happened(server, 'close')
  },
  'an upgrade whose server hangs up': async run => {
    const { server, socketPath } = await serving(run, () => {})
    server.on('upgrade', (_req, socket) => socket.destroy())
    const headers = { Connection: 'Upgrade', Upgrade: 'x' }
    const error = await happened(http.get({ socketPath, headers, agent: false }), 'error')
    return error.code
  },
  'an upgrade with much behind the head': async run => {
    const { server, socketPath } = await serving(run, () => {})
    let size = 0
    server.on('upgrade', (_req, socket, head) => {
      size = head.length
      socket.on('data', data => (size += data.length))
      socket.on('end', () => socket.end(String(size)))
    })
    const client = net.connect(socketPath)
    client.end(line('GET /', 'Connection: Upgrade', 'Upgrade: x') + 'y'.repeat(300_000))
    return text(client)
  },
  'an upgraded answer without a listener': async run => {
    const server = run.keep(
      net.createServer(socket => {
        socket.on('error', () => {})
        socket.once('data', () =>
          socket.write('HTTP/1.1 101 No\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
        )
      }),
    )
    const socketPath = run.path()
    await once(server.listen(socketPath), 'listening')
    const request = http.get({ socketPath, headers: { Connection: 'Upgrade', Upgrade: 'x' }, agent: false })
    request.on('error', error => run.note(error.code))
    await happened(request, 'close')
    return request.destroyed
  },
  'an answer without a listener is thrown away': async run => {
    const { server, socketPath } = await serving(run, (_, res) => res.end('x'.repeat(200_000)))
    let connections = 0
    server.on('connection', () => connections++)
    const agent = agentFor(run, { keepAlive: true, maxSockets: 1 })
    const request = http.get({ socketPath, agent })
    await happened(request, 'close')
    run.note((await fetched({ socketPath, agent })).body.length)
    return connections
  },
  'a request over a tunnel': async run => {
    const { socketPath } = await serving(run, (req, res) => res.end(`through, ${req.url}`))
    const proxy = run.keep(http.createServer())
    proxy.on('connect', (_req, socket) => {
      const onward = net.connect({ path: socketPath, allowHalfOpen: true })
      socket.write('HTTP/1.1 200 Yes\r\n\r\n')
      socket.pipe(onward).pipe(socket)
      socket.on('error', () => onward.destroy())
    })
    const proxyPath = run.path()
    await once(proxy.listen(proxyPath), 'listening')
    const connect = http.request({ socketPath: proxyPath, method: 'CONNECT', path: 'x:1' })
    connect.end()
    const socket = await new Promise(resolve => connect.on('connect', (_res, tunnel) => resolve(tunnel)))
    const { body } = await fetched({ createConnection: () => socket, agent: undefined, path: '/far' })
    socket.destroy()
    return body.toString()
  },
  'keepSocketAlive and reuseSocket': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('ok'))
    class Counting extends http.Agent {
      keepSocketAlive(socket) {
        run.note('keep', socket.destroyed)
        return super.keepSocketAlive(socket)
      }

      reuseSocket(socket, request) {
        run.note('reuse', request.reusedSocket)
        super.reuseSocket(socket, request)
      }
    }
    const agent = new Counting({ keepAlive: true })
    run.defer(() => agent.destroy())
    for (let round = 0; round < 2; round++) {
      await fetched({ socketPath, agent })
      await turns(2)
    }
  },
  'maxFreeSockets and maxTotalSockets': async run => {
    const { socketPath } = await serving(run, async (_, res) => {
      await pause(5)
      res.end('ok')
    })
    const agent = agentFor(run, { keepAlive: true, maxFreeSockets: 1, maxTotalSockets: 3 })
    await Promise.all(Array.from({ length: 9 }, () => fetched({ socketPath, agent })))
    await turns(5)
    return [count(agent.freeSockets), count(agent.sockets), count(agent.requests)]
  },
  'lifo and fifo': async run => {
    for (const scheduling of ['lifo', 'fifo']) {
      const { socketPath } = await serving(run, async (_, res) => {
        await pause(5)
        res.end('ok')
      })
      const agent = agentFor(run, { keepAlive: true, scheduling })
      const first = await Promise.all([fetched({ socketPath, agent }), fetched({ socketPath, agent })])
      await turns(3)
      const { request } = await fetched({ socketPath, agent })
      run.note(scheduling, first.findIndex(one => one.request.socket === request.socket) >= 0)
    }
  },
  'an idle connection that breaks is left in silence': async run => {
    const { server, socketPath } = await serving(run, (_, res) => res.end('ok'))
    const accepted = once(server, 'connection')
    const agent = agentFor(run, { keepAlive: true })
    const { request } = await fetched({ socketPath, agent })
    await turns(2)
    ;(await accepted).destroy()
    await happened(request.socket, 'close')
    const { request: second } = await fetched({ socketPath, agent })
    return second.reusedSocket
  },
  'a reused connection that is reset meanwhile': async run => {
    let requests = 0
    const { socketPath } = await serving(run, (req, res) => {
      if (requests++ === 0) res.end('ok')
      else req.socket.destroy()
    })
    const agent = agentFor(run, { keepAlive: true })
    await fetched({ socketPath, agent })
    await turns(2)
    const request = http.get({ socketPath, agent })
    const error = await happened(request, 'error')
    return [error.code, request.reusedSocket]
  },
  'events of a client socket in a request': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('ok'))
    const request = http.get({ socketPath, agent: false })
    request.on('socket', socket => {
      run.note('socket', socket.connecting)
      run.follow('socket', socket, ['connect', 'ready', 'finish', 'close', 'error', 'timeout'])
    })
    await text(await once(request, 'response'))
    if (!request.socket.closed) await happened(request.socket, 'close')
  },
  'flushHeaders, then nothing': async run => {
    const { server, socketPath } = await serving(run, () => {})
    const request = http.request({ socketPath, method: 'POST', agent: false })
    request.on('error', () => {})
    request.flushHeaders()
    const req = await once(server, 'request')
    run.note(req.method, req.headers['transfer-encoding'])
    request.destroy()
    await happened(req, 'close')
  },
  'a timeout of an idle pooled connection': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end('ok'))
    const agent = agentFor(run, { keepAlive: true, timeout: 60 })
    const { request } = await fetched({ socketPath, agent })
    await happened(request.socket, 'close')
    return Object.keys(agent.freeSockets).length
  },
  'options of the parser': async run => {
    const { socketPath } = await serving(run, (req, res) => res.end(JSON.stringify(req.headers.x)), {
      joinDuplicateHeaders: true,
      requireHostHeader: false,
    })
    return spoken(socketPath, 'GET / HTTP/1.1\r\nX: 1\r\nX: 2\r\nConnection: close\r\n\r\n')
  },
  'a hundred upgrades at once': async run => {
    const { server, socketPath } = await serving(run, () => {})
    server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
      socket.pipe(socket)
    })
    const headers = { Connection: 'Upgrade', Upgrade: 'x' }
    const all = await Promise.all(
      Array.from({ length: 100 }, async (_, number) => {
        const request = http.get({ socketPath, headers, agent: false })
        const socket = await new Promise(resolve =>
          request.on('upgrade', (_res, upgraded) => resolve(upgraded)),
        )
        socket.end(String(number))
        return text(socket)
      }),
    )
    return all.every((answer, number) => answer === String(number))
  },
  'a server under a server of net': async run => {
    const inner = http.createServer((req, res) => res.end(`inner ${req.url}`))
    const outer = run.keep(net.createServer(socket => inner.emit('connection', socket)))
    const socketPath = run.path()
    await once(outer.listen(socketPath), 'listening')
    const agent = agentFor(run, { keepAlive: true })
    for (const path of ['/1', '/2']) run.note((await fetched({ socketPath, agent, path })).body.toString())
  },
  'one port for two protocols, by the first byte': async run => {
    const inner = http.createServer((_req, res) => res.end('http'))
    const outer = run.keep(
      net.createServer(socket => {
        socket.once('data', first => {
          socket.pause()
          socket.unshift(first)
          if (first[0] === 71) inner.emit('connection', socket)
          else socket.end('other')
          process.nextTick(() => socket.resume())
        })
      }),
    )
    const socketPath = run.path()
    await once(outer.listen(socketPath), 'listening')
    run.note((await fetched({ socketPath })).body.toString())
    const client = net.connect(socketPath)
    client.write('x')
    return text(client)
  },
})
