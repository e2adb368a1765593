// node:tls and node:https over paths: servers and clients that node:net, or udsock/net, carries.
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { bytes, cases, happened, once, text, turns } from '../cases.js'
import { certificate, certified } from '../certificate.js'

const { cert, key } = certificate
const trust = { ca: cert, servername: certified }

async function securing(run, handler, options) {
  const server = run.keep(tls.createServer({ cert, key, ...options }, handler))
  server.on('secureConnection', socket => socket.on('error', () => {}))
  const path = run.path()
  await once(server.listen(path), 'listening')
  return { server, path }
}

async function serving(run, handler, options) {
  const server = run.keep(https.createServer({ cert, key, ...options }, handler))
  const socketPath = run.path()
  await once(server.listen(socketPath), 'listening')
  return { server, socketPath }
}

await cases({
  'an echo': async run => {
    const { path } = await securing(run, socket => socket.pipe(socket))
    const client = run.follow('client', tls.connect({ path, ...trust }), ['secureConnect', 'end', 'close'])
    client.end('secret')
    await once(client, 'secureConnect')
    run.note(client.authorized, client.encrypted, client.alpnProtocol, client.getProtocol())
    const answer = await text(client)
    await happened(client, 'close')
    return answer
  },
  'a megabyte each way': async run => {
    const { path } = await securing(run, socket => socket.pipe(socket))
    const sent = Buffer.alloc(1 << 20, '0123456789')
    const client = tls.connect({ path, ...trust })
    client.end(sent)
    return (await bytes(client)).equals(sent)
  },
  'over a socket that is connected': async run => {
    const { path } = await securing(run, socket => socket.end('over a socket'))
    const socket = net.connect(path)
    await once(socket, 'connect')
    return text(tls.connect({ socket, ...trust }))
  },
  'over a socket that connects': async run => {
    const { path } = await securing(run, socket => socket.end('over a socket'))
    return text(tls.connect({ socket: net.connect(path), ...trust }))
  },
  'over a socket that connects later': async run => {
    const { path } = await securing(run, socket => socket.end('over a socket'))
    const socket = new net.Socket()
    const client = tls.connect({ socket, ...trust })
    await turns(2)
    socket.connect(path)
    return text(client)
  },
  'a TLSSocket on each end of a pair': async run => {
    const server = run.keep(net.createServer())
    const path = run.path()
    await once(server.listen(path), 'listening')
    const socket = net.connect(path)
    const accepted = await once(server, 'connection')
    const secure = new tls.TLSSocket(accepted, { isServer: true, cert, key })
    secure.on('data', data => secure.end(`got ${data}`))
    const client = tls.connect({ socket, ...trust }, () => client.write('it'))
    return text(client)
  },
  'STARTTLS: the same socket turns secure': async run => {
    const server = run.keep(
      net.createServer(socket => {
        socket.once('data', () => {
          socket.removeAllListeners()
          socket.write('go\n')
          const secure = new tls.TLSSocket(socket, { isServer: true, cert, key })
          secure.on('data', data => secure.end(data.toString().toUpperCase()))
        })
      }),
    )
    const path = run.path()
    await once(server.listen(path), 'listening')
    const socket = net.connect(path)
    socket.write('STARTTLS\n')
    run.note((await happened(socket, 'data')).toString())
    const client = tls.connect({ socket, ...trust })
    client.write('quiet')
    return text(client)
  },
  'TLS in TLS': async run => {
    const { path: inner } = await securing(run, socket => socket.end('innermost'))
    const { path } = await securing(
      run,
      socket => {
        const onward = net.connect({ path: inner, allowHalfOpen: true })
        socket.pipe(onward).pipe(socket)
      },
      { allowHalfOpen: true },
    )
    const socket = tls.connect({ path, ...trust })
    return text(tls.connect({ socket, ...trust }))
  },
  'a certificate that is not trusted': async run => {
    const { server, path } = await securing(run, () => {})
    server.on('tlsClientError', error => run.note('server', error.code))
    const client = run.follow('client', tls.connect({ path, servername: certified }), [
      'secureConnect',
      'close',
    ])
    client.on('error', error => run.note(error.code))
    await happened(client, 'close')
    await turns(5)
  },
  'a certificate for another name': async run => {
    const { path } = await securing(run, () => {})
    const client = tls.connect({ path, ca: cert, servername: 'elsewhere' })
    const error = await happened(client, 'error')
    return error.code
  },
  'a client that speaks no TLS': async run => {
    const { server, path } = await securing(run, () => {})
    const failed = happened(server, 'tlsClientError')
    const client = net.connect(path)
    client.on('error', () => {}).resume()
    client.write('GET / HTTP/1.1\r\n\r\n')
    run.note((await failed).code)
    await happened(client, 'close')
  },
  'a client that leaves within the handshake': async run => {
    const { server, path } = await securing(run, () => {})
    const failed = happened(server, 'tlsClientError')
    const client = net.connect(path)
    await once(client, 'connect')
    client.destroy()
    const { code, message } = await failed
    return [code, message]
  },
  'a handshake that takes too long': async run => {
    const { server, path } = await securing(run, () => {}, { handshakeTimeout: 50 })
    const failed = happened(server, 'tlsClientError')
    const client = net.connect(path)
    client.on('error', () => {}).resume()
    run.note((await failed).code)
  },
  'no listener': async run => {
    const client = tls.connect({ path: run.path(), ...trust })
    const { code, syscall, address } = await happened(client, 'error')
    return [code, syscall, address]
  },
  'destroyed while connecting': async run => {
    const { path } = await securing(run, () => {})
    const client = run.follow('client', tls.connect({ path, ...trust }), ['secureConnect', 'error', 'close'])
    client.destroy()
    await happened(client, 'close')
    await turns(5)
  },
  'ALPN and SNI': async run => {
    const options = {
      ALPNProtocols: ['b', 'a'],
      SNICallback: (name, done) => done(null, (run.note(name), null)),
    }
    const { path } = await securing(
      run,
      socket => socket.end(`${socket.alpnProtocol} ${socket.servername}`),
      options,
    )
    return text(tls.connect({ path, ...trust, ALPNProtocols: ['a', 'c'] }))
  },
  'a session is resumed': async run => {
    const { path } = await securing(run, socket => socket.end(String(socket.isSessionReused())), {
      maxVersion: 'TLSv1.2',
    })
    const first = tls.connect({ path, ...trust })
    const session = once(first, 'session')
    run.note(await text(first))
    return text(tls.connect({ path, ...trust, session: await session }))
  },
  'a client certificate': async run => {
    const options = { requestCert: true, rejectUnauthorized: true, ca: cert }
    const { path } = await securing(run, socket => socket.end(String(socket.authorized)), options)
    return text(tls.connect({ path, ...trust, cert, key }))
  },
  'timeouts of a secure socket': async run => {
    const { path } = await securing(run, socket => socket.resume())
    const client = run.keep(tls.connect({ path, ...trust }))
    await once(client, 'secureConnect')
    client.setTimeout(30)
    await happened(client, 'timeout')
    return client.destroyed
  },
  'close waits for secure connections': async run => {
    const { server, path } = await securing(run, socket => socket.resume())
    const client = tls.connect({ path, ...trust })
    await once(client, 'secureConnect')
    server.close(() => run.note('closed'))
    await turns(5)
    run.note('open')
    client.resume().end()
    await happened(server, 'close')
  },
  'counts and properties': async run => {
    const { server, path } = await securing(run, socket => {
      run.note(socket.server === server, socket instanceof tls.TLSSocket)
      socket.resume().on('end', () => run.note(socket.bytesRead > 0))
    })
    const client = tls.connect({ path, ...trust })
    await once(client, 'secureConnect')
    client.resume().end('12345')
    await happened(client, 'close')
    return [client.bytesWritten > 5, client.readyState, client.remoteAddress, client.destroyed]
  },
  'https: a request, twice on one connection': async run => {
    const { server, socketPath } = await serving(run, (req, res) => res.end(`${req.method} ${req.url}`))
    let connections = 0
    server.on('secureConnection', () => connections++)
    const agent = new https.Agent({ keepAlive: true, ca: cert })
    run.defer(() => agent.destroy())
    for (const path of ['/1', '/2']) {
      const request = https.get({ socketPath, path, agent, servername: certified })
      run.note(await text(await once(request, 'response')))
      await turns(3)
    }
    return connections
  },
  'https: a large body each way': async run => {
    const { socketPath } = await serving(run, (req, res) => req.pipe(res))
    const sent = Buffer.alloc(1 << 20, '0123456789')
    const request = https.request({
      socketPath,
      method: 'POST',
      ca: cert,
      servername: certified,
      agent: false,
    })
    request.end(sent)
    return (await bytes(await once(request, 'response'))).equals(sent)
  },
  'https: not trusted': async run => {
    const { socketPath } = await serving(run, (_, res) => res.end())
    const error = await happened(https.get({ socketPath, agent: false }), 'error')
    return error.code
  },
  'https: an upgrade': async run => {
    const { server, socketPath } = await serving(run, () => {})
    server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.pipe(socket)
    })
    const headers = { Connection: 'Upgrade', Upgrade: 'echo' }
    const request = https.get({ socketPath, ca: cert, servername: certified, headers, agent: false })
    const socket = await new Promise(resolve => request.on('upgrade', (_res, upgraded) => resolve(upgraded)))
    socket.end('secret echo')
    return text(socket)
  },
  'https: headersTimeout and close': async run => {
    const options = { headersTimeout: 60, requestTimeout: 60, connectionsCheckingInterval: 20 }
    const { server, socketPath } = await serving(run, (_, res) => res.end(), options)
    const client = tls.connect({ path: socketPath, ...trust })
    client.write('GET / HTTP/1.1\r\n')
    run.note((await text(client)).split('\r\n')[0])
    server.close()
    await happened(server, 'close')
  },
  'https: by port, from the options of the agent': async run => {
    const server = run.keep(https.createServer({ cert, key }, (_, res) => res.end('by port')))
    await once(server.listen(0), 'listening')
    const request = https.get({
      host: 'localhost',
      servername: certified,
      port: server.address().port,
      ca: cert,
      agent: false,
    })
    return text(await once(request, 'response'))
  },
})
