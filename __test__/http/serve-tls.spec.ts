import { type ClientRequest } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import tls from 'node:tls'
import test from 'ava'
import { HttpsAgent } from '../../http.js'
import { connect } from '../../index.js'
import { cert, key } from '../helpers/certificate.js'
import { answerTo } from '../helpers/http.js'
import { eventually, once, places, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { connections, siteOf, text, visitor } from './serve-helpers.js'

leavesNoDescriptors(test)

test('an https.Server serves over TLS, and drains', async t => {
  t.timeout(30_000)
  const answers: (() => void)[] = []
  const server = https.createServer({ key, cert }, (incoming, response) => {
    if (incoming.url === '/slow') answers.push(() => response.end('slow'))
    else response.end(incoming.url)
  })
  const { served, path } = await siteOf(t, server, places.path(t))
  const agent = new HttpsAgent(path, { keepAlive: true, ca: cert })
  t.teardown(() => agent.destroy())
  const ask = (where: string): ClientRequest => https.get({ agent, host: 'udsock.test', path: where })
  t.is(await text(ask('/a')), '/a')
  t.is(await text(ask('/b')), '/b')
  const before = await connections(server)
  const silent = tls.connect({ socket: await connect(path), ca: cert, servername: 'udsock.test' })
  await once(silent, 'secureConnect')
  silent.resume().on('end', () => silent.destroy())
  const unsecured = await visitor(t, path)
  const slow = answerTo(ask('/slow'))
  await eventually(
    'all are there',
    async () => answers.length === 1 && (await connections(server)) >= before + 2,
  )
  const silentClosed = once(silent, 'close')
  const drained = served.close({ drain: true })
  await silentClosed
  await unsecured.closed
  answers[0]!()
  const { headers, body } = await slow
  t.deepEqual([headers.connection, String(body)], ['close', 'slow'])
  await drained
})

test('over TLS what a server still has to send follows the end of its client', async t => {
  const server = tls.createServer({ key, cert }, socket => socket.pipe(socket))
  const { path } = await siteOf(t, server, places.path(t))
  const client = tls.connect({ socket: await connect(path), ca: cert, servername: 'udsock.test' })
  const sent = Buffer.alloc(4 << 20, '0123456789')
  client.end(sent)
  t.true(sent.equals(await receiveAll(client)))
})

test('over TLS a connection whose handshake fails closes', async t => {
  const server = tls.createServer({ key, cert })
  const { path } = await siteOf(t, server, places.path(t))
  const failed = once(server, 'tlsClientError')
  const raw = await visitor(t, path, 'GET / HTTP/1.1\r\n\r\n')
  await failed
  await raw.closed
  await eventually('the server has no connection', async () => (await connections(server)) === 0)
  t.is(raw.received().includes('HTTP'), false)
})

for (const isSecure of [false, true])
  test(`an http2 server ${isSecure ? 'over TLS ' : ''}serves, and drains with GOAWAY`, async t => {
    t.timeout(30_000)
    const answers: (() => void)[] = []
    const handler = (incoming: http2.Http2ServerRequest, response: http2.Http2ServerResponse): void => {
      if (incoming.url === '/slow') answers.push(() => response.end('slow'))
      else response.end(incoming.url)
    }
    const server = isSecure ? http2.createSecureServer({ key, cert }, handler) : http2.createServer(handler)
    const { served, path } = await siteOf(t, server, places.path(t))
    const socket = await connect(path)
    const session = http2.connect(isSecure ? 'https://udsock.test' : 'http://udsock.test', {
      createConnection: () =>
        isSecure
          ? tls.connect({ socket, ca: cert, servername: 'udsock.test', ALPNProtocols: ['h2'] })
          : socket,
    })
    t.teardown(() => session.destroy())
    const ask = async (where: string): Promise<string> =>
      String(await receiveAll(session.request({ ':path': where })))
    t.is(await ask('/a'), '/a')
    const slow = ask('/slow')
    await eventually('it is there', () => answers.length === 1)
    const goaway = once(session, 'goaway')
    const drained = served.close({ drain: true })
    await goaway
    answers[0]!()
    t.is(await slow, 'slow')
    await drained
    t.false(server.listening)
  })
