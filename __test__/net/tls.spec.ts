import { randomBytes } from 'node:crypto'
import { connect as connectTLS, createSecureContext, TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { connect, listen } from '../../index.js'
import net from '../../net.js'
import { cert, key } from '../helpers/certificate.js'
import { closed, once, places, receiveAll } from '../helpers/sockets.js'
import { sha256 } from '../helpers/streams.js'

const servername = 'udsock.test'

interface Ends {
  client: net.Socket
  server: net.Socket
  secureClient: TLSSocket
  secureServer: TLSSocket
}

/** Puts TLS over a connection. */
async function secured(t: ExecutionContext, client: net.Socket, server: net.Socket): Promise<Ends> {
  t.timeout(30_000)
  const secureContext = createSecureContext({ key, cert })
  const secureServer = new TLSSocket(server, { isServer: true, secureContext })
  const secureClient = connectTLS({ socket: client, ca: cert, servername })
  t.teardown(() => {
    for (const socket of [secureClient, secureServer, client, server]) socket.destroy()
  })
  // A round trip: nothing of the handshake is left to read.
  const arrived = [once(secureClient, 'data'), once(secureServer, 'data')]
  secureClient.write('hello')
  secureServer.write('hello')
  await Promise.all(arrived)
  return { client, server, secureClient, secureServer }
}

/** Both ends are sockets of udsock/net. */
async function netPair(t: ExecutionContext): Promise<Ends> {
  const listener = net.createServer()
  t.teardown(() => listener.close())
  const path = places.path(t)
  await new Promise<void>(resolve => listener.listen(path, resolve))
  const accepted = once<net.Socket>(listener, 'connection')
  const client = net.connect(path)
  const [server] = await Promise.all([accepted, once(client, 'connect')])
  return secured(t, client, server)
}

/** Both ends are sockets of connect() and listen(), which end with their peer. */
async function ownPair(t: ExecutionContext): Promise<Ends> {
  const path = places.path(t)
  const listener = await listen(path, { allowHalfOpen: false })
  t.teardown(() => listener.close())
  const [client, server] = await Promise.all([connect(path, { allowHalfOpen: false }), listener.accept()])
  return secured(t, client as unknown as net.Socket, server as unknown as net.Socket)
}

const makers = { 'udsock/net': netPair, 'connect() and listen() without allowHalfOpen': ownPair }
const sides = [
  ['client', 'secureServer', 'server'],
  ['server', 'secureClient', 'client'],
] as const

for (const [name, make] of Object.entries(makers)) {
  for (const [goer, secureStayer, stayer] of sides)
    test(`TLS over ${name}: a ${goer} that goes without close_notify is an end, not an error`, async t => {
      const ends = await make(t)
      const seen: string[] = []
      for (const socket of [ends[secureStayer], ends[stayer]])
        socket.on('error', (error: NodeJS.ErrnoException) => seen.push(String(error)))
      ends[secureStayer].on('end', () => seen.push('end'))
      ends[secureStayer].resume()
      ends[goer].destroy()
      await closed(ends[secureStayer], ends[stayer])
      t.deepEqual(seen, ['end'])
    })

  test(`TLS over ${name}: an answer arrives that is sent after the peer's half-close`, async t => {
    const { client, server, secureClient, secureServer } = await make(t)
    const answer = randomBytes(2 * 1024 * 1024)
    secureServer.pause()
    server.once('end', () =>
      setImmediate(() => {
        secureServer.write(answer)
        secureServer.resume()
      }),
    )
    const received = receiveAll(secureClient)
    client.on('error', () => {})
    secureClient.on('error', () => {})
    // The request that the server has not read keeps its 'end' back.
    secureClient.write('request', () => client.end())
    t.is(sha256(await received), sha256(answer))
  })
}
