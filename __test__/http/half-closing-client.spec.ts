// Clients that send a request and half-close at once, as `nc -N`, socat and `socket.end(request)` do: they are answered.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import test from 'ava'
import { connect } from '../../index.js'
import { once } from '../helpers/sockets.js'
import { ourTakers } from '../helpers/connection-takers.js'

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

const handlers: Record<string, Handler> = {
  'at once': (_request, response) => response.end('answer'),
  'after a tick': (_request, response) => process.nextTick(() => response.end('answer')),
  'after many promises': async (_request, response) => {
    for (let count = 0; count < 50; count++) await Promise.resolve()
    response.end('answer')
  },
  'after an immediate': (_request, response) => void setImmediate(() => response.end('answer')),
  "after the body's end": (request, response) => request.resume().on('end', () => response.end('answer')),
  'after it has iterated over the body': async (request, response) => {
    for await (const _chunk of request);
    response.end('answer')
  },
  'in pieces, promises between them': async (_request, response) => {
    for (const piece of ['an', 'sw', 'er']) {
      response.write(piece)
      await Promise.resolve()
    }
    response.end()
  },
}

const requests = {
  GET: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  POST: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc',
  'POST of 1 MB': `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${'b'.repeat(1_000_000)}`,
}

const clients: Record<string, (path: string) => Promise<NodeJS.ReadWriteStream> | NodeJS.ReadWriteStream> = {
  'node:net': path => net.connect({ path, allowHalfOpen: true }),
  udsock: path => connect(path),
}

for (const [serverName, take] of ourTakers)
  for (const [method, request] of Object.entries(requests))
    for (const [when, handler] of Object.entries(handlers))
      test(`a client that half-closes behind a ${method} is answered ${when} (${serverName})`, async t => {
        t.timeout(30_000)
        const server = createServer(handler)
        const path = await take(t, socket => server.emit('connection', socket))
        for (const [clientName, open] of Object.entries(clients)) {
          const client = await open(path)
          let answer = ''
          client.on('data', data => (answer += String(data))).on('error', error => (answer += String(error)))
          client.end(request)
          await Promise.race([once(client, 'end'), once(client, 'close')])
          t.regex(answer, /^HTTP\/1\.1 200 OK\r\n[^]*an[^]*sw[^]*er/, clientName)
          ;(client as net.Socket).destroy()
        }
      })
