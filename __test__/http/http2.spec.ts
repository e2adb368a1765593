import http2 from 'node:http2'
import nodeNet from 'node:net'
import { type Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { Agent, serve } from '../../http.js'
import { connect } from '../../index.js'
import net, { Socket } from '../../net.js'
import { cert, key } from '../helpers/certificate.js'
import { everyPlace, once, type Place, places, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Connect = (path: string) => Duplex | Promise<Duplex>

/** How a session gets its socket. */
const connectors: Record<string, Connect> = {
  'udsock/net': path => net.connect(path),
  'connect()': path => connect(path),
  'an Agent': path => new Agent(path).createConnection({})!,
}

const textOf = (path: string | Uint8Array): string =>
  typeof path === 'string' ? path : Buffer.from(path).toString()

/** A session with a server of node:http2, which `serve()` or a Server of `udsock/net` has at `place`. */
async function session(
  t: ExecutionContext,
  connector: Connect,
  server: http2.Http2Server,
  place: Place = 'path',
): Promise<http2.ClientHttp2Session> {
  const path = places[place](t)
  await serve(server, path)
  const socket = await connector(textOf(path))
  const client = http2.connect('http://localhost', { createConnection: () => socket })
  t.teardown(() => {
    client.destroy()
    server.close()
  })
  return client
}

/** Closed without an error. */
async function closes(client: http2.ClientHttp2Session): Promise<void> {
  if (!client.closed || !client.destroyed) await once(client, 'close')
  // What Node still does with the socket would end the process here.
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

/** GOAWAY, and in the next turn the end. */
function goAway(served: http2.Http2Session | undefined): void {
  served?.goaway()
  setImmediate(() => served?.close())
}

const answer = async (client: http2.ClientHttp2Session): Promise<number> =>
  (await receiveAll(client.request({ ':path': '/' }))).length

for (const [name, connector] of Object.entries(connectors))
  // A string names no abstract name to connect().
  for (const place of name === 'connect()' ? (['path'] as const) : everyPlace) {
    test(`a session over ${name} survives that the server closes in its handler (${place})`, async t => {
      t.timeout(30_000)
      for (let round = 0; round < 10; round++) {
        const server = http2.createServer((_, response) => {
          response.write('1')
          response.end('3'.repeat(round * 3000))
          server.close()
        })
        const client = await session(t, connector, server, place)
        t.is(await answer(client), 1 + round * 3000)
        client.close()
        await closes(client)
      }
    })

    test(`a session over ${name} survives GOAWAY, and an end behind it (${place})`, async t => {
      t.timeout(30_000)
      for (const end of ['close', 'destroy', 'goaway'] as const)
        for (const when of ['at once', 'later'] as const) {
          const server = http2.createServer()
          server.on('session', served => served.on('error', () => {}))
          server.on('stream', stream => {
            stream.on('error', () => {})
            stream.respond({ ':status': 200 })
            stream.end('answer')
            const finish = (): void => {
              const { session: served } = stream
              if (end === 'goaway') goAway(served)
              else served?.[end]()
            }
            if (when === 'at once') finish()
            else stream.on('close', finish)
          })
          const client = await session(t, connector, server, place)
          client.on('error', () => {})
          const request = client.request({ ':path': '/' }).on('error', () => {})
          request.resume().on('close', () => client.close())
          await closes(client)
          t.true(client.destroyed, `${end} ${when}`)
        }
    })
  }

for (const [name, connector] of Object.entries(connectors))
  test(`a peer of node:net that destroys its session is no error of this side (${name})`, async t => {
    t.timeout(30_000)
    for (const side of ['client', 'server'] as const)
      for (let round = 0; round < 10; round++) {
        const errors: unknown[] = []
        const note = (error: unknown): void => void errors.push(error)
        const writeOnce = (stream: http2.Http2Stream): void =>
          void stream.on('error', note).session!.on('goaway', () => stream.write('late'))
        const path = places.path(t)
        const server = http2.createServer()
        server.on('sessionError', note).on('stream', stream => {
          stream.respond()
          stream.write('x')
          if (side === 'server') writeOnce(stream)
          else stream.on('error', () => {}).on('data', () => stream.session?.destroy())
        })
        if (side === 'server') await serve(server, path)
        else await once(server.listen(path), 'listening')
        const socket = side === 'server' ? nodeNet.connect(path) : await connector(path)
        const client = http2.connect('http://localhost', { createConnection: () => socket })
        const request = client.on('error', note).request({ ':method': 'POST' })
        request.write('x')
        if (side === 'client') writeOnce(request)
        else request.on('error', () => {}).on('data', () => client.destroy())
        await closes(client)
        await new Promise(resolve => server.close(resolve))
        t.deepEqual(errors, [], side)
      }
  })

test('a session ends at once whose peer of node:net has left, although it does not read', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const server = http2.createServer()
  let accepted!: http2.ServerHttp2Session
  server.on('session', value => (accepted = value))
  server.on('stream', stream => {
    stream.on('error', () => {})
    // The client leaves, and after its own GOAWAY the session asks for nothing more.
    accepted.goaway(2, 1)
  })
  await serve(server, path)
  const client = http2.connect('http://localhost', { createConnection: () => nodeNet.connect(path) })
  const left = closes(client.on('error', () => {}))
  const request = client.request({ ':method': 'POST' }).on('error', () => {})
  request.close()
  await left
  accepted.close()
  // Few turns suffice. The socket's own limit for a reader that does not read, one second, comes later.
  for (let turn = 0; turn < 200 && !accepted.destroyed; turn++) await delay(1)
  const isDestroyed = accepted.destroyed
  accepted.destroy()
  await new Promise(resolve => server.close(resolve))
  t.true(isDestroyed)
})

test('a session survives that its server is a Server of udsock/net that ends', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  for (let round = 0; round < 10; round++) {
    const http = http2.createServer((_, response) => {
      response.end('x'.repeat(round * 5000))
      response.stream.session!.close()
    })
    const server = net.createServer({ allowHalfOpen: true }, socket => http.emit('connection', socket))
    await once(server.listen(path), 'listening')
    const client = http2.connect('http://localhost', { createConnection: () => net.connect(path) })
    t.is(await answer(client), round * 5000)
    await closes(client)
    await new Promise(resolve => server.close(resolve))
  }
})

test('TLS and http2 over it begin on a socket that connects later', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const server = http2.createSecureServer({ key, cert }, (_, response) => response.end('over TLS'))
  const served = await serve(server, path)
  const socket = new Socket()
  const secured = tls.connect({ socket, ca: cert, servername: 'udsock.test', ALPNProtocols: ['h2'] })
  const client = http2.connect('https://udsock.test', { createConnection: () => secured })
  const answered = answer(client)
  setImmediate(() => socket.connect(path))
  t.is(await answered, 8)
  client.close()
  await closes(client)
  await served.close({ drain: true })
})

test('tls.connect() over a socket that connects later carries bytes and ends', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const server = tls.createServer({ key, cert }, socket => socket.pipe(socket))
  const paths = net.createServer({ allowHalfOpen: true }, socket => server.emit('connection', socket))
  await once(paths.listen(path), 'listening')
  const socket = new Socket()
  const secured = tls.connect({ socket, ca: cert, servername: 'udsock.test' })
  const bytes = Buffer.alloc(100_000, 'udsock')
  secured.end(bytes)
  await new Promise(setImmediate)
  socket.connect(path)
  t.deepEqual(await receiveAll(secured), bytes)
  if (!secured.closed) await once(secured, 'close')
  await new Promise(resolve => paths.close(resolve))
})
