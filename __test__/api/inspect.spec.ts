import { inspect } from 'node:util'
import test from 'ava'
import { FramedSocket, UnixListener } from '../../index.js'
import net from '../../net.js'
import { directory, everyPlace, listening, once, pair } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

for (const place of everyPlace) {
  test(`inspect() of a listener shows its path, state and counts (${place})`, async t => {
    const { listener, client } = await pair(t, place)
    const path =
      typeof listener.path === 'string'
        ? listener.path
        : `@${Buffer.from(listener.path as Uint8Array).toString('utf8', 1)}`
    t.is(
      inspect(listener, { breakLength: Infinity, compact: 4 }),
      `UnixListener { path: '${path}', state: 'listening', connections: 1, refused: 0 }`,
    )
    client.destroy()
    await listener.close({ drain: true })
    t.regex(inspect(listener), /state: 'draining'/)
    await listener.close()
    t.regex(inspect(listener), /state: 'closed'/)
  })
}

test('inspect() of sockets shows their path, state, counts and peer', async t => {
  const { client, server, listener } = await pair(t)
  const oneLine = { breakLength: Infinity, compact: 3 }
  const path = String(listener.path)
  client.write('four')
  await once(server, 'data')
  const shown = (bytesRead: number, bytesWritten: number, state = 'open'): string =>
    `{ path: '${path}', state: '${state}', bytesRead: ${bytesRead}, bytesWritten: ${bytesWritten}, peer: ${inspect(client.peer, oneLine)} }`
  t.is(inspect(client, oneLine), `UnixSocket ${shown(0, 4)}`)
  t.is(inspect(server, oneLine), `UnixSocket ${shown(4, 0)}`)
  t.is(inspect({ client }, { depth: 0 }), '{ client: [UnixSocket] }')
  const socket = new net.Socket()
  t.is(inspect(socket, oneLine), "Socket { state: 'open', bytesRead: 0, bytesWritten: 0 }")
  socket.connect(path)
  t.regex(inspect(socket), /state: 'opening'/)
  await once(socket, 'connect')
  t.is(inspect(socket, oneLine), `Socket ${shown(0, 0)}`)
  socket.destroy()
  client.destroy()
  await once(client, 'close')
  t.is(inspect(client, oneLine), `UnixSocket ${shown(0, 4, 'closed')}`)
  ;(await listener.accept()).destroy()
})

test('inspect() of a FramedSocket shows its path, state, counts and peer', async t => {
  const { client, server, listener } = await pair(t)
  const framed = new FramedSocket(client)
  framed.send('four')
  const other = new FramedSocket(server)
  await once(other, 'message')
  const shown = inspect(framed, { breakLength: Infinity, compact: 3 })
  const peer = inspect(client.peer, { breakLength: Infinity })
  t.is(
    shown,
    `FramedSocket { path: '${String(listener.path)}', state: 'open', bytesRead: 0, bytesWritten: 8, peer: ${peer} }`,
  )
  framed.destroy()
  await once(framed, 'close')
  t.regex(inspect(framed), /state: 'closed'/)
})

test('inspect() of a server of udsock/net shows its path, state and count', async t => {
  const path = `${directory(t)}/s`
  const server = net.createServer()
  t.is(inspect(server), "Server { state: 'closed', connections: 0 }")
  server.listen(path)
  await once(server, 'listening')
  t.is(
    inspect(server, { breakLength: Infinity }),
    `Server { path: '${path}', state: 'listening', connections: 0 }`,
  )
  server.close()
})

test('inspect() respects depth and names of derived classes, and never throws', async t => {
  const listener = await listening(t)
  t.is(inspect({ listener }, { depth: 0 }), '{ listener: [UnixListener] }')
  t.notThrows(() => inspect(Object.create(listener)))
  t.notThrows(() => inspect(UnixListener.prototype))
  const { client } = await pair(t)
  class Conversation extends FramedSocket {}
  t.regex(inspect(new Conversation(client)), /^Conversation \{/)
  t.notThrows(() => inspect(FramedSocket.prototype))
  t.notThrows(() => inspect(net.Server.prototype))
})
