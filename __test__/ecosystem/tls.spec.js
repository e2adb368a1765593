import { randomBytes } from 'node:crypto'
import { createServer as createHttpsServer, request } from 'node:https'
import { connect as connectTls, createServer } from 'node:tls'
import test from 'ava'
import { connect } from '../../index.js'
import { cert, key } from '../helpers/certificate.ts'
import { eventually } from '../helpers/sockets.ts'
import { answerTo } from '../helpers/http.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { clients, collect, listeners, MiB, once, ourListener, sha256, sharedPlaces } from './helpers.js'
import { everyEnd } from './http-ends.js'

leavesNoDescriptors(test)

const servername = 'udsock.test'
const allClosed = sockets =>
  eventually('the connections are closed', () => sockets.every(socket => socket.closed))

for (const end of everyEnd()) {
  test(`node:https: 30 requests over one connection, and 10 MiB there and back ${end.title}`, async t => {
    t.timeout(60_000)
    const path = end.pathOf(t)
    const server = createHttpsServer({ key, cert }, (incoming, response) => {
      response.setHeader('x-url', incoming.url)
      incoming.pipe(response)
    })
    const accepted = await end.listenOn(t, path, socket => server.emit('connection', socket))
    const agent = end.secureAgentTo(path, { keepAlive: true, maxSockets: 1, ca: cert, servername })
    t.teardown(() => agent.destroy())
    const post = (name, body) => {
      const sent = request({ agent, method: 'POST', path: name, servername })
      sent.end(body)
      return answerTo(sent)
    }
    for (let number = 0; number < 30; number++) {
      const { status, headers, body } = await post(`/${number}`, `body ${number}`)
      t.deepEqual([status, headers['x-url'], String(body)], [200, `/${number}`, `body ${number}`])
    }
    const large = randomBytes(10 * MiB)
    t.is(sha256((await post('/large', large)).body), sha256(large))
    t.is(accepted.length, 1)
    agent.destroy()
    await allClosed(accepted)
  })
}

/** The first bytes of a stream, so many. */
const brought = (stream, length) =>
  new Promise((resolve, reject) => {
    const chunks = []
    let missing = length
    stream.on('error', reject).on('data', chunk => {
      chunks.push(chunk)
      missing -= chunk.length
      if (missing <= 0) resolve(Buffer.concat(chunks))
    })
  })

/** Both ends of TLS over a client's socket; what fails at the server is its `tlsClientError`. */
async function secured(t, server, client, listenOn, options) {
  const path = sharedPlaces.path(t)
  const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
  const open = async more => {
    const socket = await clients[client](path)
    const secure = connectTls({ socket, ca: cert, servername, ...options, ...more })
    t.teardown(() => secure.destroy())
    return { socket, secure }
  }
  return { accepted, open }
}

for (const [whose, listenOn] of Object.entries(listeners))
  for (const client of Object.keys(clients)) {
    const title = `(${client} to ${whose})`

    test(`10 MiB each way at once, then the end of both ${title}`, async t => {
      t.timeout(60_000)
      const server = createServer({ key, cert })
      const { accepted, open } = await secured(t, server, client, listenOn)
      const connection = once(server, 'secureConnection')
      const { socket, secure } = await open()
      const other = await connection
      t.true(secure.authorized)
      const [up, down] = [randomBytes(10 * MiB), randomBytes(10 * MiB)]
      const received = [brought(secure, down.length), brought(other, up.length)]
      secure.write(up)
      other.write(down)
      t.deepEqual((await Promise.all(received)).map(sha256), [down, up].map(sha256))
      secure.end()
      await allClosed([socket, ...accepted])
    })

    test(`ALPN, and a certificate of the client's ${title}`, async t => {
      t.timeout(60_000)
      const ALPNProtocols = ['udsock/1', 'other']
      const server = createServer({ key, cert, ca: cert, requestCert: true, ALPNProtocols })
      const { open } = await secured(t, server, client, listenOn)
      const connection = once(server, 'secureConnection')
      const { secure } = await open({ key, cert, ALPNProtocols: ['other', 'udsock/1'] })
      const other = await connection
      secure.write('done')
      other.end(await once(other, 'data'))
      t.is(String(await collect(secure)), 'done')
      t.deepEqual([other.alpnProtocol, secure.alpnProtocol], ['udsock/1', 'udsock/1'])
      t.true(other.authorized)
      t.is(other.getPeerCertificate().subject?.CN ?? servername, servername)
    })

    test(`a session is resumed on the next connection ${title}`, async t => {
      t.timeout(60_000)
      const server = createServer({ key, cert }, socket => socket.end('hello'))
      const { open } = await secured(t, server, client, listenOn)
      const visit = async given => {
        const { secure } = await open(given)
        const session = once(secure, 'session')
        const isReused = once(secure, 'secureConnect').then(() => secure.isSessionReused())
        return { said: String(await collect(secure)), isReused: await isReused, session }
      }
      const first = await visit()
      t.deepEqual([first.said, first.isReused], ['hello', false])
      const second = await visit({ session: await first.session })
      t.deepEqual([second.said, second.isReused], ['hello', true])
    })

    test(`a certificate that is not trusted is the client's error, and both sockets close ${title}`, async t => {
      t.timeout(60_000)
      const server = createServer({ key, cert })
      server.on('tlsClientError', () => {})
      const { accepted, open } = await secured(t, server, client, listenOn)
      const { socket, secure } = await open({ ca: [] })
      t.is((await once(secure, 'error')).code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
      await allClosed([socket, ...accepted])
    })
  }

test("what is no TLS is the server's tlsClientError, and it closes", async t => {
  t.timeout(60_000)
  const server = createServer({ key, cert })
  const path = sharedPlaces.path(t)
  const accepted = await ourListener(t, path, socket => server.emit('connection', socket))
  const failed = once(server, 'tlsClientError')
  const socket = await connect(path, { allowHalfOpen: false })
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\n\r\n')
  t.true((await failed).code.startsWith('ERR_SSL_'))
  socket.resume()
  await allClosed([socket, ...accepted])
})
