// ws: its server and its client, which take net and tls from the module.
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { pipeline } from 'node:stream/promises'
import WebSocket, { createWebSocketStream, WebSocketServer } from 'ws'
import { bytes, cases, happened, once, pause, text, turns } from '../cases.js'
import { certificate, certified } from '../certificate.js'

async function serving(run, onConnection, options) {
  const server = new WebSocketServer({ port: 0, ...options })
  run.defer(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  server.on('connection', (socket, request) => {
    socket.on('error', () => {})
    onConnection?.(socket, request)
  })
  await once(server, 'listening')
  return { server, url: `ws://localhost:${server.address().port}` }
}

function opened(run, url, ...rest) {
  const client = new WebSocket(url, ...rest)
  run.defer(() => client.terminate())
  return client
}

const closing = socket =>
  new Promise(resolve => socket.on('close', (code, reason) => resolve(`${code} ${reason}`.trim())))
const message = socket =>
  new Promise(resolve => socket.once('message', (data, binary) => resolve([data, binary])))
const events = ['upgrade', 'open', 'close', 'error', 'unexpected-response', 'ping', 'pong']

/** The key of a handshake that is written by hand. */
const handshake = [
  'GET / HTTP/1.1',
  'Host: x',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  '',
  '',
].join('\r\n')

await cases({
  'text and bytes, there and back': async run => {
    const { url } = await serving(run, socket =>
      socket.on('message', (data, binary) => socket.send(data, { binary })),
    )
    const client = opened(run, url)
    await once(client, 'open')
    for (const sent of ['text', 'ü€', Buffer.from([0, 1, 255]), '', Buffer.alloc(70_000, 'x')]) {
      client.send(sent)
      const [data, binary] = await message(client)
      run.note(binary, data.equals(Buffer.from(sent)))
    }
    client.close(1000, 'bye')
    return closing(client)
  },
  'events of both sides': async run => {
    const accepted = []
    const { url } = await serving(run, socket => {
      run.follow('server', socket, events)
      accepted.push(closing(socket))
    })
    const client = run.follow('client', opened(run, url), events)
    client.on('open', () => client.close(4000, 'mine'))
    run.note(await closing(client), await accepted[0])
  },
  'messages of the first moment': async run => {
    const { url } = await serving(run, socket => {
      socket.send('first')
      socket.send('second')
      socket.close()
    })
    const client = opened(run, url)
    client.on('message', data => run.note(data.toString()))
    return closing(client)
  },
  'messages in fragments': async run => {
    const { url } = await serving(run, socket => {
      socket.send('one ', { fin: false })
      socket.ping()
      socket.send('two', { fin: true })
    })
    const [data] = await message(opened(run, url))
    return data.toString()
  },
  'permessage-deflate': async run => {
    const { url } = await serving(run, socket => socket.on('message', data => socket.send(data.toString())), {
      perMessageDeflate: { threshold: 0 },
    })
    const client = opened(run, url, { perMessageDeflate: { threshold: 0 } })
    await once(client, 'open')
    run.note(client.extensions)
    for (let round = 0; round < 20; round++) client.send(`message ${round} ${'x'.repeat(round * 500)}`)
    let seen = 0
    while (seen < 20) {
      const [data] = await message(client)
      if (data.toString().startsWith(`message ${seen} `)) seen++
      else throw new Error(`unexpected: ${data}`)
    }
    return seen
  },
  'ping and pong': async run => {
    const { url } = await serving(run, socket => socket.ping('from the server'))
    const client = opened(run, url)
    client.on('ping', data => run.note('ping', data.toString()))
    await once(client, 'open')
    client.ping('from the client', true, error => run.note(error ?? 'sent'))
    const data = await happened(client, 'pong')
    return data.toString()
  },
  'callbacks of send, in order, and after the close': async run => {
    const { url } = await serving(run, socket => socket.on('message', () => {}))
    const client = opened(run, url)
    await once(client, 'open')
    client.send('a', () => run.note('a'))
    client.send(Buffer.alloc(100_000), () => run.note('b'))
    client.send('c', error => run.note('c', error ?? 'sent'))
    await new Promise(resolve => client.send('d', resolve))
    client.close()
    client.send('late', error => run.note('late', error ?? 'sent'))
    await closing(client)
    client.send('later', error => run.note('later', error ?? 'sent'))
    await turns(2)
  },
  'bufferedAmount grows and empties': async run => {
    const { url } = await serving(run)
    const client = opened(run, url, { perMessageDeflate: false })
    await once(client, 'open')
    run.note(client.bufferedAmount)
    client.send('x'.repeat(50))
    const small = client.bufferedAmount
    run.note(small)
    for (let count = 0; count < 20; count++) client.send(Buffer.alloc(1 << 20))
    run.note(client.bufferedAmount > 1 << 20)
    await new Promise(resolve => client.send('last', resolve))
    run.note(client.bufferedAmount)
  },
  'a paused receiver holds the sender': async run => {
    const { url } = await serving(run, socket => {
      socket.pause()
      setTimeout(() => socket.resume(), 60)
      let size = 0
      socket.on('message', data => {
        size += data.length
        if (size === 16 << 20) socket.close(1000, String(size))
      })
    })
    const client = opened(run, url, { perMessageDeflate: false })
    await once(client, 'open')
    for (let count = 0; count < 16; count++) client.send(Buffer.alloc(1 << 20))
    await pause(20)
    run.note(client.bufferedAmount > 0)
    return closing(client)
  },
  'a message beyond maxPayload': async run => {
    const accepted = []
    const { url } = await serving(run, socket => accepted.push(closing(socket)), { maxPayload: 100 })
    const client = opened(run, url)
    client.on('error', () => {}).on('open', () => client.send('x'.repeat(101)))
    run.note('client', await closing(client))
    run.note('server', await accepted[0])
  },
  'frames that are wrong': async run => {
    const wrong = [
      [0xf1, 0x80],
      [0x81, 0x01, 0x41],
      [0x83, 0x80, 0, 0, 0, 0],
      [0x88, 0x81, 0, 0, 0, 0, 1],
    ]
    const { server } = await serving(run, socket => {
      socket.removeAllListeners('error')
      socket.on('error', error => run.note(error.code))
    })
    for (const frame of wrong) {
      const client = net.connect(server.address().port)
      client.on('error', () => {})
      client.write(handshake)
      client.write(Buffer.from(frame))
      const closed = new Promise(resolve => client.on('close', resolve))
      const answer = await bytes(client)
      run.note(answer.subarray(-2).readUInt16BE())
      await closed
    }
  },
  'a handshake with the first frame behind it': async run => {
    const { server } = await serving(run, socket => socket.on('message', data => socket.send(`got ${data}`)))
    const client = run.keep(net.connect(server.address().port))
    client.write(Buffer.concat([Buffer.from(handshake), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])]))
    let all = ''
    while (!all.includes('got hi')) all += await happened(client, 'data')
    return all.split('\r\n')[0]
  },
  'a handshake in single bytes': async run => {
    const { server } = await serving(run, socket => socket.close(1001))
    const client = net.connect(server.address().port)
    for (const letter of handshake) {
      client.write(letter)
      await turns(1)
    }
    const answer = await happened(client, 'data')
    client.destroy()
    return answer.toString('latin1').split('\r\n')[0]
  },
  'a client that vanishes': async run => {
    const ended = new Promise(resolve => {
      void serving(run, socket => resolve(closing(socket))).then(({ url }) => {
        const client = opened(run, url)
        client.on('open', () => client.terminate())
      })
    })
    return ended
  },
  'a server that vanishes': async run => {
    const { url } = await serving(run, socket => socket.terminate())
    const client = run.follow('client', opened(run, url), events)
    return closing(client)
  },
  'a server that says no': async run => {
    const { url } = await serving(run, undefined, {
      verifyClient: (_info, done) => done(false, 401, 'No', { 'X-Why': 'so' }),
    })
    const client = opened(run, url)
    const closed = closing(client)
    const error = await happened(client, 'error')
    run.note(error.message, await closed)
    const other = opened(run, url)
    other.on('error', () => {})
    const response = await new Promise(resolve =>
      other.on('unexpected-response', (_req, res) => resolve(res)),
    )
    run.note(response.statusCode, response.headers['x-why'], await text(response))
  },
  'nobody listens': async run => {
    const client = opened(run, `ws+unix://${run.path()}:/`)
    const closed = closing(client)
    const error = await happened(client, 'error')
    return [error.code, await closed]
  },
  'a path: ws+unix': async run => {
    const path = run.path()
    const httpServer = run.keep(http.createServer())
    const server = new WebSocketServer({ server: httpServer })
    server.on('connection', (socket, request) => socket.send(`at ${request.url}`))
    await once(httpServer.listen(path), 'listening')
    const [data] = await message(opened(run, `ws+unix://${path}:/here?x=1`))
    return data.toString()
  },
  handshakeTimeout: async run => {
    const server = run.keep(net.createServer())
    await once(server.listen(0), 'listening')
    const client = opened(run, `ws://localhost:${server.address().port}`, { handshakeTimeout: 50 })
    const closed = closing(client)
    const error = await happened(client, 'error')
    return [error.message, await closed]
  },
  'closed before it is open': async run => {
    const { url } = await serving(run)
    const client = run.follow('client', opened(run, url), events)
    client.close()
    run.note(client.readyState)
    return closing(client)
  },
  'redirects are followed': async run => {
    const { server } = await serving(run, socket => socket.send('at the end'))
    const first = run.keep(http.createServer())
    first.on('upgrade', (_req, socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ws://localhost:${server.address().port}\r\n\r\n`)
    })
    await once(first.listen(0), 'listening')
    const client = opened(run, `ws://localhost:${first.address().port}`, { followRedirects: true })
    const [data] = await message(client)
    return data.toString()
  },
  'protocols and headers': async run => {
    const { server, url } = await serving(run, socket => socket.send(socket.protocol), {
      handleProtocols: protocols => [...protocols][1],
    })
    server.on('headers', headers => headers.push('X-Mine: yes'))
    const client = opened(run, url, ['one', 'two'])
    client.on('upgrade', response => run.note(response.headers['x-mine']))
    const [data] = await message(client)
    return [data.toString(), client.protocol]
  },
  'noServer, with several paths': async run => {
    const httpServer = run.keep(http.createServer())
    const [one, two] = [new WebSocketServer({ noServer: true }), new WebSocketServer({ noServer: true })]
    one.on('connection', socket => socket.send('one'))
    two.on('connection', socket => socket.send('two'))
    httpServer.on('upgrade', (request, socket, head) => {
      const server = { '/1': one, '/2': two }[request.url]
      if (server === undefined) socket.destroy()
      else server.handleUpgrade(request, socket, head, ws => server.emit('connection', ws, request))
    })
    await once(httpServer.listen(0), 'listening')
    const base = `ws://localhost:${httpServer.address().port}`
    for (const path of ['/1', '/2']) run.note((await message(opened(run, base + path)))[0].toString())
    const refused = opened(run, `${base}/3`)
    run.note((await happened(refused, 'error')).message)
  },
  'a stream of web sockets': async run => {
    const { url } = await serving(run, socket => {
      const stream = createWebSocketStream(socket)
      stream.pipe(stream)
    })
    const stream = createWebSocketStream(opened(run, url))
    const sent = Buffer.alloc(3 << 20, '0123456789')
    const chunks = []
    let size = 0
    // The server's side closes with the client's, whatever it still has to send.
    const all = new Promise(resolve => {
      stream.on('data', chunk => {
        chunks.push(chunk)
        size += chunk.length
        if (size === sent.length) resolve(Buffer.concat(chunks))
      })
    })
    await pipeline(
      async function* () {
        for (let at = 0; at < sent.length; at += 100_000) yield sent.subarray(at, at + 100_000)
      },
      stream,
      { end: false },
    )
    return (await all).equals(sent)
  },
  'a hundred clients and a broadcast': async run => {
    const { server, url } = await serving(run)
    const clients = Array.from({ length: 100 }, () => opened(run, url))
    await Promise.all(clients.map(client => once(client, 'open')))
    const received = Promise.all(clients.map(message))
    while (server.clients.size < 100) await turns(1)
    for (const client of server.clients) client.send('to all')
    return (await received).every(([data]) => data.toString() === 'to all')
  },
  'server.close leaves clients, and ends with them': async run => {
    const { server, url } = await serving(run)
    const client = opened(run, url)
    await once(client, 'open')
    const closed = new Promise(resolve => server.close(resolve))
    run.note(client.readyState)
    client.close()
    await closed
  },
  'secure web sockets': async run => {
    const httpServer = run.keep(https.createServer(certificate))
    const server = new WebSocketServer({ server: httpServer })
    server.on('connection', socket => socket.on('message', data => socket.send(data)))
    await once(httpServer.listen(0), 'listening')
    const url = `wss://localhost:${httpServer.address().port}`
    const client = opened(run, url, { ca: certificate.cert, servername: certified })
    await once(client, 'open')
    client.send(Buffer.alloc(300_000, 's'))
    const [data] = await message(client)
    client.close()
    run.note(data.length)
    return closing(client)
  },
  'ten thousand small messages': async run => {
    const { url } = await serving(run, socket => {
      let sum = 0
      socket.on('message', data => {
        sum += Number(data)
        if (Number(data) === 9_999) socket.close(1000, String(sum))
      })
    })
    const client = opened(run, url)
    await once(client, 'open')
    for (let number = 0; number < 10_000; number++) client.send(String(number))
    return closing(client)
  },
})
