// node:http2 over paths: sessions, streams, graceful ends.
import http2 from 'node:http2'
import net from 'node:net'
import { bytes, cases, happened, once, pause, text, turns } from '../cases.js'
import { certificate, certified } from '../certificate.js'

const { cert, key } = certificate

async function serving(run, handler, options = {}) {
  const server = run.keep(http2.createServer(options, handler))
  const path = run.path()
  await once(server.listen(path), 'listening')
  return { server, path }
}

/** A client's session over a socket of net. */
function connected(run, path, options) {
  const client = http2.connect('http://localhost', { createConnection: () => net.connect(path), ...options })
  client.on('error', error => run.note('session', error))
  run.defer(() => client.destroy())
  return client
}

async function requested(client, headers, body) {
  const request = client.request({ ':path': '/', ...headers })
  request.end(body)
  const response = once(request, 'response')
  const answer = await text(request)
  return { answer, status: (await response)[':status'] }
}

await cases({
  'a request and its answer': async run => {
    const { path } = await serving(run, (req, res) => res.end(`${req.method} ${req.url}`))
    const client = connected(run, path)
    const result = await requested(client, { ':path': '/two' })
    client.close()
    await happened(client, 'close')
    return result
  },
  'by port': async run => {
    const server = run.keep(http2.createServer((_, res) => res.end('by port')))
    await once(server.listen(0), 'listening')
    const client = http2.connect(`http://localhost:${server.address().port}`)
    run.defer(() => client.destroy())
    return (await requested(client)).answer
  },
  'fifty streams at once': async run => {
    const { path } = await serving(run, (req, res) => res.end(req.url))
    const client = connected(run, path)
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, n) => requested(client, { ':path': `/${n}` })),
    )
    client.close()
    return all.every(({ answer }, n) => answer === `/${n}`)
  },
  'a megabyte each way': async run => {
    const { path } = await serving(run, (req, res) => req.pipe(res))
    const client = connected(run, path)
    const sent = Buffer.alloc(1 << 20, '0123456789')
    const request = client.request({ ':method': 'POST' })
    request.end(sent)
    const equal = (await bytes(request)).equals(sent)
    client.close()
    await happened(client, 'close')
    return equal
  },
  'a server that closes gracefully after its answer': async run => {
    const { server, path } = await serving(run, (_, res) => {
      res.write('1')
      res.end('3')
      res.stream.session.close()
      server.close()
    })
    const client = connected(run, path)
    const left = happened(client, 'goaway')
    const closed = happened(client, 'close')
    const request = client.request()
    request.end()
    const answer = await text(request)
    await left
    client.close()
    await closed
    await pause(30)
    return answer
  },
  'goaway, and the streams that are open': async run => {
    const { server, path } = await serving(run, () => {})
    server.on('stream', (stream, headers) => {
      if (headers[':path'] === '/leave') stream.session.goaway()
      stream.respond()
      setTimeout(() => stream.end('after goaway'), 20)
    })
    const client = connected(run, path)
    run.follow('client', client, ['goaway', 'close'])
    run.note((await requested(client, { ':path': '/leave' })).answer)
    if (!client.closed) await happened(client, 'close')
    return client.destroyed
  },
  'a session that the server destroys': async run => {
    const { server, path } = await serving(run, () => {})
    server.on('stream', stream => setImmediate(() => stream.session.destroy()))
    const client = connected(run, path)
    run.follow('client', client, ['close'])
    const request = run.follow('request', client.request(), ['aborted', 'error', 'close'])
    request.resume().end()
    await happened(client, 'close')
    await turns(5)
  },
  'a session that the client destroys': async run => {
    const { server, path } = await serving(run, () => {})
    const gone = new Promise(resolve => {
      server.on('session', session => {
        session.on('error', error => run.note('server', error))
        session.on('close', resolve)
      })
    })
    server.on('stream', stream => {
      run.follow('stream', stream, ['aborted', 'close'])
      stream.on('error', error => run.note('stream', error))
      stream.respond()
      stream.write('a part')
    })
    const client = connected(run, path)
    const request = run.follow('request', client.request(), ['aborted', 'error', 'close'])
    await happened(request, 'data')
    client.destroy()
    await gone
    await turns(5)
  },
  'a stream that the client cancels': async run => {
    const { server, path } = await serving(run, () => {})
    const cancelled = new Promise(resolve => {
      server.on('stream', stream => {
        stream.on('error', () => {})
        stream.respond()
        stream.write('a part')
        stream.on('close', () => resolve(stream.rstCode))
      })
    })
    const client = connected(run, path)
    const request = run.follow('request', client.request(), ['response', 'aborted', 'end', 'error', 'close'])
    await happened(request, 'data')
    request.close(http2.constants.NGHTTP2_CANCEL)
    const code = await cancelled
    client.close()
    await happened(client, 'close')
    return code
  },
  'pushed streams': async run => {
    const { server, path } = await serving(run, () => {})
    server.on('stream', stream => {
      stream.pushStream({ ':path': '/pushed' }, (error, pushed) => {
        pushed.respond()
        pushed.end('pushed')
      })
      stream.respond()
      stream.end('asked')
    })
    const client = connected(run, path)
    const pushed = new Promise(resolve => client.on('stream', stream => resolve(text(stream))))
    run.note((await requested(client)).answer, await pushed)
    client.close()
  },
  'trailers and informational headers': async run => {
    const { server, path } = await serving(run, () => {})
    server.on('stream', stream => {
      stream.additionalHeaders({ ':status': 103 })
      stream.respond({}, { waitForTrailers: true })
      stream.once('wantTrailers', () => {
        try {
          stream.sendTrailers({ 'x-end': 'yes' })
        } catch (error) {
          run.track('server', error)
        }
      })
      stream.end('body')
    })
    const client = connected(run, path)
    const request = client.request()
    request.on('headers', headers => run.note(headers[':status']))
    request.on('trailers', headers => run.note(headers['x-end']))
    run.note(await text(request.end()))
    client.close()
  },
  'ping and settings': async run => {
    const { path } = await serving(run, () => {})
    const client = connected(run, path)
    await once(client, 'connect')
    const payload = Buffer.from('12345678')
    const echoed = await new Promise((resolve, reject) => {
      client.ping(payload, (error, _time, back) => (error ? reject(error) : resolve(back)))
    })
    await new Promise(resolve => client.settings({ initialWindowSize: 100_000 }, resolve))
    run.note(echoed.equals(payload), client.localSettings.initialWindowSize)
    client.close()
    await happened(client, 'close')
  },
  'a session s timeout': async run => {
    const { path } = await serving(run, () => {})
    const client = connected(run, path)
    await once(client, 'connect')
    client.setTimeout(30)
    await happened(client, 'timeout')
    return client.destroyed
  },
  'no listener': async run => {
    const client = connected(run, run.path())
    run.follow('client', client, ['connect', 'close'])
    const request = run.follow('request', client.request(), ['error', 'close'])
    request.end()
    await happened(client, 'close')
    await turns(3)
  },
  'a peer that speaks no http2': async run => {
    const server = run.keep(
      net.createServer(socket => socket.on('error', () => {}).end('HTTP/1.1 400 No\r\n\r\n')),
    )
    const path = run.path()
    await once(server.listen(path), 'listening')
    const client = connected(run, path)
    run.follow('client', client, ['close'])
    const request = client.request()
    request.on('error', error => run.note('request', error.code))
    await happened(client, 'close')
  },
  'a client that speaks no http2': async run => {
    const { server, path } = await serving(run, () => {})
    const failed = happened(server, 'sessionError')
    const client = net.connect(path)
    client.on('error', () => {}).resume()
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await happened(client, 'close')
    return (await failed).code
  },
  'a connection that breaks': async run => {
    const { server, path } = await serving(run, () => {})
    server.on('stream', stream => {
      stream.on('error', () => {})
      stream.respond()
      stream.write('a part')
    })
    const accepted = once(server, 'connection')
    const client = connected(run, path)
    run.follow('client', client, ['close'])
    const request = run.follow('request', client.request(), ['aborted', 'end', 'close'])
    request.on('error', error => run.note('request', error.code))
    await happened(request, 'data')
    ;(await accepted).destroy()
    await happened(client, 'close')
    await turns(5)
  },
  'what a session says of its socket': async run => {
    const { path } = await serving(run, (req, res) => {
      run.note(req.socket.remoteAddress, req.stream.session.encrypted, res.socket.destroyed)
      res.end()
    })
    const client = connected(run, path)
    await once(client, 'connect')
    run.note(
      client.encrypted,
      client.socket.remoteAddress,
      client.socket.readyState,
      client.socket.connecting,
    )
    await requested(client)
    client.close()
  },
  'backpressure of a stream': async run => {
    const { server, path } = await serving(run, () => {})
    server.on('stream', async stream => {
      stream.respond()
      for (let sent = 0; sent < 60; sent++)
        if (!stream.write(Buffer.alloc(50_000))) await new Promise(resolve => stream.once('drain', resolve))
      stream.end()
    })
    const client = connected(run, path)
    const request = client.request()
    let size = 0
    for await (const chunk of request) {
      size += chunk.length
      if (size % 7 === 0) await pause(1)
    }
    client.close()
    return size
  },
  'a secure session': async run => {
    const server = run.keep(http2.createSecureServer({ cert, key }, (req, res) => res.end(req.httpVersion)))
    const path = run.path()
    await once(server.listen(path), 'listening')
    const client = http2.connect(`https://${certified}`, { path, ca: cert })
    client.on('error', error => run.note(error))
    run.defer(() => client.destroy())
    run.note((await requested(client)).answer, client.alpnProtocol, client.encrypted)
    client.close()
    await happened(client, 'close')
  },
  'a secure session, ten large answers': async run => {
    const body = Buffer.alloc(300_000, 'x')
    const server = run.keep(http2.createSecureServer({ cert, key }, (_, res) => res.end(body)))
    const path = run.path()
    await once(server.listen(path), 'listening')
    const client = http2.connect(`https://${certified}`, { path, ca: cert })
    run.defer(() => client.destroy())
    const all = await Promise.all(
      Array.from({ length: 10 }, async () => (await bytes(client.request())).length),
    )
    client.close()
    return all
  },
  'h1 on a secure server that allows it': async run => {
    const options = { cert, key, allowHTTP1: true }
    const server = run.keep(http2.createSecureServer(options, (req, res) => res.end(req.httpVersion)))
    const socketPath = run.path()
    await once(server.listen(socketPath), 'listening')
    const { get } = await import('node:https')
    const request = get({ socketPath, ca: cert, servername: certified, agent: false })
    return text(await once(request, 'response'))
  },
})
