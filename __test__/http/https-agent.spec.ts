import { createServer } from 'node:https'
import tls, { type TLSSocket } from 'node:tls'
import test, { type ExecutionContext } from 'ava'
import { HttpsAgent, serve, undiciConnector } from '../../http.js'
import { cert, key } from '../helpers/certificate.js'
import { once, places, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

const sent = Buffer.alloc(4 << 20, '0123456789')

/** A server that ends as soon as it has a client, and resolves with what that client sent all the same. */
async function endingFirst(t: ExecutionContext): Promise<{ path: string; received: Promise<Buffer> }> {
  const server = tls.createServer({ key, cert, allowHalfOpen: true }, socket => socket.end('early'))
  const path = places.path(t)
  const served = await serve(server, path)
  t.teardown(() => served.close())
  return { path, received: once(server, 'secureConnection').then(socket => receiveAll(socket as TLSSocket)) }
}

/** A connection of the agent's, as node:https asks for one. */
function connectionOf(t: ExecutionContext, path: string): TLSSocket {
  const agent = new HttpsAgent(path)
  const socket = agent.createConnection({ ca: cert, servername: 'udsock.test' } as never) as TLSSocket
  t.teardown(() => {
    socket.destroy()
    agent.destroy()
  })
  return socket
}

test("a connection of HttpsAgent sends everything after its server's end", async t => {
  const { path, received } = await endingFirst(t)
  const socket = connectionOf(t, path)
  socket.resume().write(sent)
  t.true(sent.equals(await received))
})

test("undiciConnector's connection over TLS sends everything after its server's end", async t => {
  const { path, received } = await endingFirst(t)
  const connector = undiciConnector(path, { allowHalfOpen: false, tls: { ca: cert } })
  const target = { protocol: 'https:', hostname: 'udsock.test' }
  const socket = await new Promise<TLSSocket>((resolve, reject) => {
    connector(target, (error, made) => (error === null ? resolve(made as TLSSocket) : reject(error)))
  })
  socket.resume().end(sent)
  t.true(sent.equals(await received))
})

test("a connection of HttpsAgent emits 'connect', and is connecting until then", async t => {
  const server = createServer({ key, cert })
  const path = places.path(t)
  const served = await serve(server, path)
  t.teardown(() => served.close())
  const socket = connectionOf(t, path)
  const events: unknown[] = [socket.connecting]
  for (const event of ['connect', 'secureConnect'])
    socket.on(event, () => events.push(event, socket.connecting))
  await once(socket, 'secureConnect')
  t.deepEqual(events, [true, 'connect', false, 'secureConnect', false])
})

test('a connection of HttpsAgent to a path where nothing listens fails as one of node:https', async t => {
  const path = places.path(t)
  const socket = connectionOf(t, path)
  const error = (await once(socket, 'error')) as NodeJS.ErrnoException
  t.like(error, { code: 'ENOENT', syscall: 'connect', address: path })
  if (!socket.closed) await once(socket, 'close')
  t.true(socket.destroyed)
})
