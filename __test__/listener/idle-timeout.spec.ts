import test from 'ava'
import { connect, listen } from '../../index.js'
import { closed, codeOf, listening, once, pair, places, sleep } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

interface Traffic extends NodeJS.EventEmitter {
  resume(): unknown
}

/** Sends by turns from both ends for one and a half seconds. Returns whether the server has closed meanwhile. */
async function closesInTraffic<Socket extends Traffic>(
  client: Socket,
  server: Socket,
  send: (socket: Socket) => unknown,
): Promise<boolean> {
  let isClosed = false
  server.on('close', () => (isClosed = true))
  client.resume()
  server.resume()
  const start = Date.now()
  for (let count = 0; Date.now() - start < 1500; count++) {
    send(count % 2 === 0 ? client : server)
    await sleep(10)
  }
  return isClosed
}

test('an accepted socket without traffic is destroyed', async t => {
  const { client, server, listener } = await pair(t, 'path', { idleTimeout: 40, maxConnections: 1 })
  const events: string[] = []
  server.on('error', () => events.push('error')).on('close', () => events.push('close'))
  client.resume()
  await Promise.all([once(client, 'end'), once(server, 'close')])
  t.deepEqual(events, ['close'])
  // It counts no more.
  const next = listener.accept()
  const second = await connect(listener.path)
  ;(await next).destroy()
  second.destroy()
})

test('traffic in either direction keeps a socket, and its end does not', async t => {
  const { client, server } = await pair(t, 'path', { idleTimeout: 1000 })
  t.false(await closesInTraffic(client, server, socket => socket.write('x')))
  await closed(server)
})

test('packet sockets have the same limit', async t => {
  const listener = await listen(places.path(t), { type: 'seqpacket', idleTimeout: 40 })
  t.teardown(() => listener.close())
  const [client, server] = await Promise.all([
    connect(listener.path, { type: 'seqpacket' }),
    listener.accept(),
  ])
  client.resume()
  await Promise.all([once(client, 'close'), once(server, 'close')])
  t.pass()
})

test('an empty message is traffic', async t => {
  const listener = await listen(places.path(t), { type: 'seqpacket', idleTimeout: 1000 })
  t.teardown(() => listener.close())
  const [client, server] = await Promise.all([
    connect(listener.path, { type: 'seqpacket' }),
    listener.accept(),
  ])
  t.false(await closesInTraffic(client, server, socket => socket.send('')))
  client.destroy()
})

test('a limit keeps neither a process nor a closed socket alive', async t => {
  const { client, server } = await pair(t, 'path', { idleTimeout: 2 ** 31 - 1 })
  client.destroy()
  server.destroy()
  await once(server, 'close')
  t.is(await codeOf(listen(places.path(t), { idleTimeout: 0 })), 'ERR_OUT_OF_RANGE')
  await listening(t)
})
