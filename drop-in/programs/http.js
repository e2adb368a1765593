// node:http's servers under clients that speak for themselves, byte by byte.
import http from 'node:http'
import net from 'node:net'
import { cases, happened, once, pause, text, turns } from '../cases.js'

async function serving(run, options, handler) {
  const server = run.keep(http.createServer(options, handler))
  const path = run.path()
  server.listen(path)
  await once(server, 'listening')
  return { server, path }
}

/** What the server answers to raw bytes, until it ends; without the date. */
async function answerTo(path, ...pieces) {
  const client = net.connect({ path, allowHalfOpen: true })
  const all = text(client)
  all.catch(() => {})
  for (const piece of pieces) {
    client.write(piece)
    await turns(2)
  }
  const answer = await all
  client.end()
  return plain(answer)
}

const plain = answer => answer.replaceAll(/Date: .*\r\n/g, '').replaceAll('\r\n', ' / ')
const request = (line, ...headers) => [`${line} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n')
const last = line => request(line, 'Connection: close')

await cases({
  'a request and its answer': async run => {
    const { path } = await serving(run, {}, (req, res) => res.end(`${req.method} ${req.url}`))
    return answerTo(path, last('GET /a?b'))
  },
  'chunks, trailers, and a content length': async run => {
    const { path } = await serving(run, {}, (req, res) => {
      if (req.url === '/length') res.setHeader('Content-Length', 4).end('four')
      else {
        res.writeHead(200, { Trailer: 'X-End' })
        res.write('one')
        res.write('two')
        res.addTrailers({ 'X-End': 'yes' })
        res.end()
      }
    })
    return answerTo(path, request('GET /length'), last('GET /chunks'))
  },
  'HEAD, 204 and 304 have no body': async run => {
    const { path } = await serving(run, {}, (req, res) => {
      res.statusCode = Number(req.url.slice(1))
      res.end('body')
    })
    return answerTo(path, request('HEAD /200'), request('GET /204'), last('GET /304'))
  },
  'HTTP/1.0 closes, unless it asks': async run => {
    const { path } = await serving(run, {}, (_, res) => res.setHeader('Content-Length', 2).end('ok'))
    run.note(await answerTo(path, 'GET / HTTP/1.0\r\n\r\n'))
    run.note(
      await answerTo(path, 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 'GET / HTTP/1.0\r\n\r\n'),
    )
  },
  'three pipelined requests, the first answered last': async run => {
    const { path } = await serving(run, {}, (req, res) => {
      if (req.url === '/1') setTimeout(() => res.end('first'), 30)
      else res.end(req.url)
    })
    return answerTo(path, request('GET /1') + request('GET /2') + last('GET /3'))
  },
  'a hundred pipelined requests with bodies': async run => {
    const { path } = await serving(run, {}, async (req, res) => res.end(await text(req)))
    const all = Array.from(
      { length: 99 },
      (_, n) => `${request('POST /', `Content-Length: ${String(n).length}`)}${n}`,
    )
    const answer = await answerTo(path, all.join('') + last('GET /'))
    return [...answer.matchAll(/Content-Length: \d+ \/ {2}\/ (\d+)/g)].map(match => match[1]).join(' ')
  },
  'a request in single bytes': async run => {
    const { path } = await serving(run, {}, (req, res) => res.end(req.url))
    return answerTo(path, ...last('GET /slow'))
  },
  'Expect: 100-continue is answered by itself': async run => {
    const { path } = await serving(run, {}, async (req, res) => res.end(await text(req)))
    return answerTo(
      path,
      request('POST /', 'Expect: 100-continue', 'Content-Length: 3', 'Connection: close'),
      'abc',
    )
  },
  'checkContinue and checkExpectation': async run => {
    const { server, path } = await serving(run, {}, (_, res) => res.end('plain'))
    server.on('checkContinue', async (req, res) => {
      res.writeContinue()
      res.end(`checked ${await text(req)}`)
    })
    run.note(
      await answerTo(
        path,
        request('POST /', 'Expect: 100-continue', 'Content-Length: 3', 'Connection: close'),
        'abc',
      ),
    )
    run.note(await answerTo(path, request('GET /', 'Expect: miracles', 'Connection: close')))
    server.on('checkExpectation', (_, res) => res.writeHead(418).end())
    run.note(await answerTo(path, request('GET /', 'Expect: miracles', 'Connection: close')))
  },
  'early hints and processing': async run => {
    const { path } = await serving(run, {}, (_, res) => {
      res.writeProcessing()
      res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => run.note('hinted'))
      res.end('done')
    })
    return answerTo(path, last('GET /'))
  },
  'malformed requests get 400, and clientError': async run => {
    const { server, path } = await serving(run, {}, (req, res) => {
      if (req.url !== '/wait') res.end()
    })
    run.note(await answerTo(path, 'nonsense\r\n\r\n'))
    run.note(await answerTo(path, 'GET / HTTP/1.1\r\n\r\n'))
    run.note(await answerTo(path, request('POST /', 'Content-Length: x')))
    run.note(await answerTo(path, request('POST /wait', 'Transfer-Encoding: chunked'), 'zz\r\n'))
    server.on('clientError', (error, socket) => {
      run.note(error.code, error.bytesParsed, error.rawPacket?.length, socket.writable)
      socket.end('HTTP/1.1 400 Mine\r\n\r\n')
    })
    run.note(await answerTo(path, 'nonsense\r\n\r\n'))
  },
  'headers that are too long get 431': async run => {
    const { path } = await serving(run, { maxHeaderSize: 1_000 }, (_, res) => res.end())
    return answerTo(path, request('GET /', `X: ${'x'.repeat(2_000)}`))
  },
  headersTimeout: async run => {
    const options = { headersTimeout: 60, requestTimeout: 60, connectionsCheckingInterval: 20 }
    const { path } = await serving(run, options, (_, res) => res.end())
    return answerTo(path, 'GET / HTTP/1.1\r\nHost: x\r\n')
  },
  requestTimeout: async run => {
    const options = { headersTimeout: 60, requestTimeout: 80, connectionsCheckingInterval: 20 }
    const { server, path } = await serving(run, options, () => {})
    const failed = once(server, 'request').then(req => happened(req.resume(), 'error'))
    run.note(await answerTo(path, request('POST /', 'Content-Length: 100'), 'a part'))
    return run.textOf(await failed)
  },
  'keepAliveTimeout closes an idle connection': async run => {
    const { server, path } = await serving(run, { keepAliveTimeout: 50 }, (_, res) => res.end('kept'))
    server.keepAliveTimeout = 50
    server.keepAliveTimeoutBuffer = 0
    return answerTo(path, request('GET /'))
  },
  'server.timeout': async run => {
    const { server, path } = await serving(run, {}, () => {})
    server.setTimeout(50, socket => {
      run.note('timeout', socket.destroyed)
      socket.destroy()
    })
    await answerTo(path, request('GET /')).catch(error => run.note(error))
  },
  'server.timeout destroys without a listener': async run => {
    const { server, path } = await serving(run, {}, req => req.on('close', () => run.note('request closed')))
    server.timeout = 50
    return answerTo(path, request('GET /'))
  },
  'res.setTimeout and req.setTimeout': async run => {
    const { path } = await serving(run, {}, (req, res) => {
      if (req.url === '/res') res.setTimeout(30, () => res.end('by res'))
      else req.setTimeout(30, () => res.end('by req'))
    })
    run.note(await answerTo(path, last('GET /res')))
    run.note(await answerTo(path, last('GET /req')))
  },
  maxRequestsPerSocket: async run => {
    const { server, path } = await serving(run, {}, (_, res) => res.end('ok'))
    server.maxRequestsPerSocket = 2
    server.on('dropRequest', () => run.note('dropRequest'))
    const client = run.keep(net.connect(path))
    let all = ''
    client.on('data', data => (all += data))
    client.write(request('GET /') + request('GET /') + request('GET /'))
    while (!all.includes('503')) await happened(client, 'data')
    return plain(all)
  },
  'an upgrade hands over the socket and the first bytes': async run => {
    const { server, path } = await serving(run, {}, (_, res) => res.end('no upgrade'))
    server.on('upgrade', (req, socket, head) => {
      run.note(req.url, head.toString(), socket === req.socket, socket.listenerCount('data'))
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n')
      socket.write(head)
      socket.pipe(socket)
    })
    const client = net.connect(path)
    client.end(`${request('GET /up', 'Upgrade: echo', 'Connection: Upgrade')}head and more`)
    return plain(await text(client))
  },
  'an upgrade without a listener': async run => {
    const { path } = await serving(run, {}, (_, res) => res.end('as usual'))
    return answerTo(path, request('GET /', 'Upgrade: echo', 'Connection: Upgrade, close'))
  },
  'CONNECT makes a tunnel': async run => {
    const far = run.keep(net.createServer({ allowHalfOpen: true }, socket => socket.pipe(socket)))
    const farPath = run.path()
    await once(far.listen(farPath), 'listening')
    const { server, path } = await serving(run, {}, (_, res) => res.end())
    server.on('connect', (req, socket, head) => {
      run.note(req.method, req.url, head.toString())
      const onward = net.connect({ path: farPath, allowHalfOpen: true }, () => {
        socket.write('HTTP/1.1 200 Established\r\n\r\n')
        onward.write(head)
        socket.pipe(onward).pipe(socket)
      })
    })
    const client = net.connect({ path, allowHalfOpen: true })
    client.write(`${request('CONNECT far:1')}early `)
    await happened(client, 'data').then(data => run.note(plain(data.toString())))
    client.end('late')
    return text(client)
  },
  'CONNECT without a listener': async run => {
    const { path } = await serving(run, {}, (_, res) => res.end())
    return answerTo(path, request('CONNECT far:1'))
  },
  'a client that leaves: events of the request and the response': async run => {
    const gone = Promise.withResolvers?.() ?? deferred()
    const { path } = await serving(run, {}, (req, res) => {
      run.follow('request', req, ['aborted', 'error', 'end', 'close'])
      run.follow('response', res, ['finish', 'error', 'close'])
      run.follow('socket', req.socket, ['end', 'close'])
      res.on('close', () => gone.resolve())
      res.write('a part')
    })
    const client = net.connect(path)
    client.write(request('POST /', 'Content-Length: 100'))
    await happened(client, 'data')
    client.destroy()
    await gone.promise
    await pause(30)
  },
  'a client that half-closes is answered later': async run => {
    const { path } = await serving(run, {}, async (_, res) => {
      await pause(20)
      res.end('for you all the same')
    })
    const client = net.connect(path)
    client.end(last('GET /'))
    return plain(await text(client))
  },
  'a client that half-closes within its body': async run => {
    const { path } = await serving(run, {}, req => {
      run.follow('request', req, ['aborted', 'error', 'end', 'close'])
      req.resume()
    })
    const client = net.connect(path)
    client.end(`${request('POST /', 'Content-Length: 10')}12345`)
    return plain(await text(client))
  },
  'events of an answer, in order': async run => {
    const { server, path } = await serving(run, {}, (req, res) => {
      run.follow('both', req, ['end', 'close'])
      run.follow('response', res, ['prefinish', 'finish', 'close'])
      req.resume()
      run.note(res.write('a', () => run.note('written')))
      res.end('b', () => run.note('ended'))
    })
    server.on('connection', socket => run.follow('socket', socket, ['end', 'finish', 'close']))
    run.note(await answerTo(path, `${request('POST /', 'Content-Length: 2', 'Connection: close')}ab`))
    await pause(20)
  },
  'backpressure of an answer': async run => {
    const chunk = Buffer.alloc(65_536, 'x')
    const { path } = await serving(run, {}, (_, res) => {
      let [writes, stops] = [0, 0]
      const more = () => {
        while (writes < 100) {
          writes++
          if (!res.write(chunk)) {
            stops++
            res.once('drain', more)
            return
          }
        }
        res.end(() => run.note(stops > 0))
      }
      more()
    })
    return (await answerTo(path, last('GET /'))).length
  },
  'corked answers': async run => {
    const { path } = await serving(run, {}, (_, res) => {
      res.cork()
      res.write('a')
      res.write('b')
      run.note(res.writableCorked)
      setImmediate(() => {
        res.uncork()
        res.end('c')
      })
    })
    return answerTo(path, last('GET /'))
  },
  'an answer that ends while it is corked': async run => {
    const { path } = await serving(run, {}, (_, res) => {
      res.cork()
      res.write('a')
      res.end('b')
    })
    return answerTo(path, last('GET /'))
  },
  'a body of the wrong length throws': async run => {
    const { path } = await serving(run, {}, (_, res) => {
      res.strictContentLength = true
      res.setHeader('Content-Length', 3)
      try {
        res.end('four')
      } catch (error) {
        run.note(error)
        res.destroy()
      }
    })
    run.note(await answerTo(path, last('GET /')).catch(error => run.textOf(error)))
  },
  'a chunk that is none throws, and the answer goes on': async run => {
    const { path } = await serving(run, {}, (_, res) => {
      for (const chunk of [1, null, {}])
        try {
          res.write(chunk)
        } catch (error) {
          run.note(error)
        }
      try {
        res.end(1)
      } catch (error) {
        run.note(error)
      }
      res.end('well')
    })
    return answerTo(path, last('GET /'))
  },
  'a destroyed answer': async run => {
    const { path } = await serving(run, {}, (_, res) => {
      run.follow('response', res, ['finish', 'error', 'close'])
      res.write('a part')
      setTimeout(() => res.destroy(new Error('by choice')), 20)
    })
    run.note(await answerTo(path, request('GET /')).catch(error => run.textOf(error)))
    await pause(10)
  },
  'close with idle, busy and new connections': async run => {
    const { server, path } = await serving(run, {}, async (req, res) => {
      if (req.url === '/slow') await pause(60)
      res.end('ok')
    })
    const [idle, busy, silent] = [net.connect(path), net.connect(path), net.connect(path)]
    for (const [name, client] of Object.entries({ idle, busy, silent })) {
      run.follow(name, client, ['end', 'close'])
      client.on('error', () => {}).resume()
    }
    idle.write(request('GET /'))
    await happened(idle, 'data')
    busy.write(request('GET /slow'))
    await turns(5)
    server.close(() => run.note('closed'))
    server.closeIdleConnections()
    await happened(busy, 'data')
    await turns(5)
    server.closeAllConnections()
    await happened(server, 'close')
    await pause(20)
  },
  'closeAllConnections ends a request': async run => {
    const { server, path } = await serving(run, {}, (_, res) => res.write('a part'))
    const client = run.follow('client', net.connect(path), ['end', 'close'])
    client.on('error', () => {})
    client.write(request('GET /'))
    await happened(client, 'data')
    server.closeAllConnections()
    await happened(client, 'close')
    server.close()
    await happened(server, 'close')
  },
  'close, without a connection': async run => {
    const { server } = await serving(run, {}, () => {})
    server.close(error => run.note(error ?? 'closed'))
    run.note(server.listening)
    await happened(server, 'close')
    server.close(error => run.note(error ?? 'closed'))
    await turns(2)
  },
  'the server s address and its connections': async run => {
    const { server, path } = await serving(run, {}, (req, res) => {
      run.note(req.socket.server === server, res.socket === req.socket, req.socket.remoteAddress)
      server.getConnections((error, number) => res.end(`${error} ${number}`))
    })
    run.note(server.address(), server.listening)
    return answerTo(path, last('GET /'))
  },
  maxConnections: async run => {
    const { server, path } = await serving(run, {}, (_, res) => res.write('a part'))
    server.close()
    await happened(server, 'close')
    server.maxConnections = 1
    server.on('drop', () => run.note('drop'))
    await once(server.listen(path), 'listening')
    const first = run.keep(net.connect(path))
    first.write(request('GET /'))
    await happened(first, 'data')
    const second = run.keep(net.connect(path))
    second.resume()
    await happened(second, 'close')
    run.note(second.bytesRead)
  },
  'listening on a taken path': async run => {
    const { path } = await serving(run, {}, () => {})
    const second = http.createServer()
    second.listen(path)
    const { code, syscall, address } = await happened(second, 'error')
    return [code, syscall, address, second.listening]
  },
  'a handler that pauses its request': async run => {
    const { path } = await serving(run, {}, (req, res) => {
      let size = 0
      req.on('data', chunk => {
        size += chunk.length
        req.pause()
        setImmediate(() => req.resume())
      })
      req.on('end', () => res.end(String(size)))
    })
    const body = 'x'.repeat(400_000)
    return answerTo(
      path,
      `${request('POST /', `Content-Length: ${body.length}`, 'Connection: close')}${body}`,
    )
  },
  'an unread body is passed over for the next request': async run => {
    const { path } = await serving(run, {}, (_, res) => res.end('unread'))
    const body = 'x'.repeat(200_000)
    return answerTo(path, `${request('POST /', `Content-Length: ${body.length}`)}${body}`, last('GET /'))
  },
  'many connections at once': async run => {
    const { path } = await serving(run, {}, (req, res) => res.end(req.url))
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, number) => answerTo(path, last(`GET /${number}`))),
    )
    return answers.every((answer, number) => answer.endsWith(`/${number}`))
  },
})

function deferred() {
  const result = {}
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }))
  return result
}
