import { connect as connectNet, type Socket } from 'node:net'
import test from 'ava'
import { connect, type UnixSocket, type UnixSocketPath } from '../../index.js'
import { closed, eventually, everyPlace, listening, once, pair } from '../helpers/sockets.js'
import { leavesNoDescriptors, recorded, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

const byteStream = { highWaterMark: 16 }

/** A client that never reads: it resets the connection when it closes. */
function unreading(path: UnixSocketPath): Socket {
  return connectNet(path as string).pause()
}

for (const place of everyPlace) {
  test(`a server that only speaks closes its sockets when the clients have gone (${place})`, async t => {
    const listener = await listening(t, place, { backlog: 128 })
    const open = new Set<UnixSocket>()
    const serving = (async () => {
      for await (const socket of listener) {
        open.add(socket)
        // A client that has gone before is an EPIPE.
        socket.on('error', () => {}).once('close', () => open.delete(socket))
        socket.end('hello')
      }
    })()
    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(Array.from({ length: 50 }, () => connect(listener.path)))
      for (const [index, client] of clients.entries())
        // Some read the greeting, some leave without it.
        if (index % 2 === 0) client.resume().end()
        else client.destroy()
      await Promise.all(clients.map(client => closed(client)))
    }
    await eventually('every socket is closed', () => open.size === 0)
    await listener.close()
    await serving
    t.pass()
  })

  test(`a socket without a reader ends when its peer has, and closes once it has ended too (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(server)
    client.destroy()
    await once(server, 'end')
    await turns(2)
    t.deepEqual(events, ['end'])
    t.true(server.writable, 'allowHalfOpen')
    server.end()
    await closed(server)
    t.deepEqual(events, ['end', 'finish', 'close'])
  })

  test(`allowHalfOpen false: a socket without a reader closes when its peer has gone (${place})`, async t => {
    const { client, server } = await pair(t, place, { allowHalfOpen: false })
    const events = recorded(server)
    client.destroy()
    await closed(server)
    t.deepEqual(events, ['end', 'finish', 'close'])
  })

  test(`unread input keeps a socket open, until a write fails (${place})`, async t => {
    const { client, server } = await pair(t, place, { allowHalfOpen: false })
    const events = recorded(server)
    client.end('unread')
    client.resume()
    await turns(5)
    t.deepEqual(events, [])
    client.destroy()
    await turns(5)
    t.deepEqual(events, [])
    server.write('x')
    await closed(server)
    t.deepEqual(events, ['error EPIPE', 'close'])
  })

  test(`a socket whose input was read to the last byte notices the end although it does not read on (${place})`, async t => {
    const listener = await listening(t, place, byteStream)
    const client = await connect(listener.path)
    const server = await listener.accept()
    t.teardown(() => [client, server].forEach(socket => socket.destroy()))
    client.write('x'.repeat(16))
    server.read(0)
    await once(server, 'readable')
    t.is(String(server.read()), 'x'.repeat(16))
    server.end()
    client.destroy()
    await closed(server)
    t.false(server.errored !== null)
  })
}

test('a peer that resets a socket without a reader and without a listener for errors is no uncaught error', async t => {
  const listener = await listening(t)
  const client = unreading(listener.path)
  const server = await listener.accept()
  server.end('never read')
  await turns(2)
  client.destroy()
  await closed(server)
  t.is(server.errored, null)
})

test('a peer that resets a socket without a reader is an error where errors have a listener', async t => {
  const listener = await listening(t)
  const client = unreading(listener.path)
  const server = await listener.accept()
  const events = recorded(server)
  server.write('never read')
  await turns(2)
  client.destroy()
  await closed(server)
  t.deepEqual(events, ['error ECONNRESET', 'close'])
})
