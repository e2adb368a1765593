import test, { type ExecutionContext } from 'ava'
import { randomBytes } from 'node:crypto'
import { Agent, createServer, request } from 'node:https'
import {
  connect as connectTLS,
  createSecureContext,
  createServer as createTLSServer,
  TLSSocket,
} from 'node:tls'
import { connect } from '../../index.js'
import { cert, key } from '../helpers/certificate.js'
import { everyPlace, listening, once, pair, type Place, receiveAll } from '../helpers/sockets.js'
import { answerTo, serve } from '../helpers/http.js'
import { sha256 } from '../helpers/streams.js'

const MiB = 1024 * 1024
const servername = 'udsock.test'

/** Both ends of a TLS connection over a socket pair of ours. */
async function securePair(t: ExecutionContext, place: Place = 'path') {
  const { client, server } = await pair(t, place)
  const secureServer = new TLSSocket(server, {
    isServer: true,
    secureContext: createSecureContext({ key, cert }),
  })
  const secureClient = connectTLS({ socket: client, ca: cert, servername })
  await once(secureClient, 'secureConnect')
  t.true(secureClient.authorized)
  t.is(secureClient.getPeerCertificate().subject.CN, servername)
  return { client, server, secureClient, secureServer }
}

for (const place of everyPlace) {
  test(`tls.connect() and a TLSSocket carry bytes both ways over a ${place}, and close`, async t => {
    t.timeout(60_000)
    const { client, server, secureClient, secureServer } = await securePair(t, place)
    const [up, down] = [randomBytes(4 * MiB), randomBytes(4 * MiB)]
    const closed = [client, server, secureClient, secureServer].map(socket => once(socket, 'close'))
    const received = [receiveAll(secureClient), receiveAll(secureServer)]
    secureClient.end(up)
    secureServer.end(down)
    const [fromServer, fromClient] = await Promise.all(received)
    t.deepEqual([fromServer!.length, fromClient!.length], [down.length, up.length])
    t.deepEqual(
      [fromServer, fromClient].map(bytes => sha256(bytes!)),
      [sha256(down), sha256(up)],
    )
    await Promise.all(closed)
    t.true(client.destroyed && server.destroyed)
    // Encrypted: more than the bytes, and none of them in the clear.
    t.true(client.bytesWritten > 4 * MiB && client.bytesRead > 4 * MiB)
  })
}

test('messages go back and forth over TLS, each when it was written', async t => {
  t.timeout(30_000)
  const { secureClient, secureServer } = await securePair(t)
  secureServer.pipe(secureServer)
  for (let round = 0; round < 100; round++) {
    secureClient.write(`round ${round}`)
    t.is(String(await once(secureClient, 'data')), `round ${round}`)
  }
  secureClient.destroy()
})

test('a TLS client that destroys its socket ends the connection of the server', async t => {
  t.timeout(30_000)
  const { server, secureClient, secureServer } = await securePair(t)
  // The end comes, and the server's is due; or its own handshake still had something to send: EPIPE.
  secureServer.on('end', () => secureServer.end())
  secureServer.on('error', error => t.like(error, { code: 'EPIPE' }))
  secureServer.resume()
  const closed = [once(server, 'close'), once(secureServer, 'close')]
  secureClient.destroy()
  await Promise.all(closed)
  t.true(server.destroyed)
})

test('a certificate that the client does not trust is an error there, and the socket closes', async t => {
  t.timeout(30_000)
  const { client, server } = await pair(t)
  const secureServer = new TLSSocket(server, {
    isServer: true,
    secureContext: createSecureContext({ key, cert }),
  })
  secureServer.on('error', () => {})
  const secureClient = connectTLS({ socket: client, servername })
  const closed = once(client, 'close')
  t.like(await once(secureClient, 'error'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  await closed
  t.true(client.destroyed)
})

test('a tls.Server serves what a listener of ours accepts', async t => {
  t.timeout(30_000)
  const listener = await listening(t)
  const server = createTLSServer({ key, cert }, socket => socket.end('over TLS'))
  serve(t, listener, server)
  for (let round = 0; round < 3; round++) {
    const socket = await connect(listener.path)
    const secure = connectTLS({ socket, ca: cert, servername })
    t.is(String(await receiveAll(secure)), 'over TLS')
    secure.destroy()
    if (!socket.closed) await once(socket, 'close')
  }
})

test('node:https serves 10 MiB both ways and a keep-alive agent over a listener of ours', async t => {
  t.timeout(60_000)
  const listener = await listening(t)
  const server = createServer({ key, cert }, (incoming, response) => {
    response.setHeader('x-url', incoming.url!)
    incoming.pipe(response)
  })
  const accepted = serve(t, listener, server)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  agent.createConnection = (_options, callback) => {
    const answer = callback as unknown as (error: Error | null, socket: TLSSocket) => void
    connect(listener.path).then(
      socket => answer(null, connectTLS({ socket, ca: cert, servername })),
      error => answer(error as Error, undefined as never),
    )
    return undefined
  }
  const body = randomBytes(10 * MiB)
  for (let round = 0; round < 3; round++) {
    const sent = request({ agent, method: 'POST', path: `/${round}` })
    sent.end(body)
    const { headers, body: received } = await answerTo(sent)
    t.is(headers['x-url'], `/${round}`)
    t.is(sha256(received), sha256(body))
  }
  t.is(accepted.length, 1)
})
