// The first import, because it chooses the addon.
import { panicIn } from './addon.js'

import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { connect, type UnixSocket } from '../../index.js'
import * as net from '../../net.js'
import {
  descriptors,
  descriptorsAtRest,
  directory,
  listening,
  once,
  pair,
  receiveAll,
} from '../helpers/sockets.js'
import { bystanders, failure, internal, isDoorbell, live } from './helpers.js'

/** What makes a connected socket reach the place. */
const ways: Record<string, (socket: UnixSocket, peer: UnixSocket) => void> = {
  read_start: socket => socket.resume(),
  write: socket => socket.write('a little'),
  writev: socket => {
    socket.write('a little')
    socket.write(randomBytes(20_000))
  },
  'shutdown, by end()': socket => socket.end(),
  'shutdown, by closeRead()': socket => socket.closeRead(),
  read_stop: (socket, peer) => {
    peer.write(randomBytes(1000))
    socket.once('readable', () => {})
  },
  read: (socket, peer) => {
    socket.resume()
    peer.write(randomBytes(2 ** 20))
    peer.on('error', () => {})
  },
  connection: (socket, peer) => {
    socket.resume()
    peer.write('a little')
  },
}

for (const [way, reach] of Object.entries(ways)) {
  test.serial(`a panic in ${way} is the error of that connection alone`, async t => {
    const others = await bystanders(t)
    const { client, server } = await pair(t, 'path', { highWaterMark: 100 })
    panicIn(way.split(',')[0]!)
    reach(server, client)
    t.like(await failure(server), internal)
    // Its peer gets an end or an error, and is not left waiting.
    client.on('error', () => {})
    client.resume()
    if (!client.closed && !client.readableEnded)
      await Promise.race([once(client, 'end'), once(client, 'close')])
    await live(t, others)
  })
}

test.serial('the callback of a write gets the error of a panic', async t => {
  const others = await bystanders(t)
  const { client } = await pair(t)
  panicIn('write')
  const failed = failure(client)
  const told = await new Promise(resolve => client.write('a little', resolve))
  t.like(told, internal)
  t.like(await failed, internal)
  await live(t, others)
})

test.serial('a panic in accept fails one accept(), and the next has the connection', async t => {
  const others = await bystanders(t)
  const listener = await listening(t)
  panicIn('accept')
  const [first, second] = [listener.accept(), listener.accept()]
  const client = await connect(listener.path)
  await t.throwsAsync(first, internal)
  const server = await second
  client.end('hello')
  t.is(String(await receiveAll(server)), 'hello')
  server.destroy()
  client.destroy()
  await live(t, others)
})

test.serial("a panic in accept is an 'error' of a server of udsock/net, which serves on", async t => {
  const others = await bystanders(t)
  const path = `${directory(t)}/s`
  const server = net.createServer(socket => socket.end('hello')).listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  panicIn('accept')
  const failed = once(server, 'error')
  const client = await connect(path)
  t.like(await failed, internal)
  t.is(String(await receiveAll(client)), 'hello')
  client.destroy()
  await live(t, others)
})

test.serial(
  "a panic while peer credentials are read is that call's error, and refuses the peer where they decide",
  async t => {
    const others = await bystanders(t)
    const listener = await listening(t)
    panicIn('peer')
    const client = await connect(listener.path)
    t.throws(() => client.peer, internal)
    client.destroy()
    await live(t, others)
    panicIn('peer')
    await t.throwsAsync(connect(listener.path, { peerUid: process.geteuid!() }), { code: 'ERR_PEER_REFUSED' })
    await live(t, others)
  },
)

test.serial('a panic in close leaves no descriptor', async t => {
  const others = await bystanders(t)
  const { client, server } = await pair(t)
  // Those of the connections that have come and gone may be closing.
  const before = await descriptorsAtRest()
  panicIn('close')
  server.destroy()
  await once(server, 'close')
  t.is(descriptors(), before - 1)
  t.is(String(await receiveAll(client)), '')
  await live(t, others)
})

/** Bytes to and fro on some connections, while `place` panics again and again. */
async function trafficUnder(t: ExecutionContext, place: string, times: number): Promise<void> {
  const listener = await listening(t)
  const echo = async (): Promise<void> => {
    const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
    server.pipe(server)
    const bytes = randomBytes(300_000)
    for (let at = 0; at < bytes.length; at += 10_000) client.write(bytes.subarray(at, at + 10_000))
    client.end()
    const received: Buffer[] = []
    for await (const chunk of client) {
      received.push(chunk as Buffer)
      panicIn(place, times)
    }
    t.true(Buffer.concat(received).equals(bytes))
  }
  await Promise.all(Array.from({ length: 8 }, echo))
  panicIn(place, 0)
}

test.serial('a panic while events are collected fails no connection, and not a byte is lost', async t => {
  const others = await bystanders(t)
  await trafficUnder(t, 'collect', 1)
  await live(t, others)
})

if (isDoorbell)
  test.serial('a doorbell that could not be armed is armed later', async t => {
    const others = await bystanders(t)
    await trafficUnder(t, 'arm', 1)
    await live(t, others)
  })

for (const [place, times] of [
  ['poll', 1],
  ['collect', 2],
] as const) {
  test.serial(
    `when events may be lost, by a panic in ${place}, whatever waits for them gets an error`,
    async t => {
      const { client, server, listener } = await pair(t)
      const { client: another, server: fourth, listener: idle } = await pair(t)
      const failures = Promise.all([client, server, another, fourth].map(failure))
      const accepting = t.throwsAsync(idle.accept(), internal)
      panicIn(place, times)
      client.write('a little')
      for (const error of await failures) t.like(error, internal)
      await accepting
      // The listeners serve on, and so do connections from now on.
      const [next, accepted] = await Promise.all([connect(listener.path), listener.accept()])
      await live(t, { client: next, server: accepted, listener: idle })
      next.destroy()
      accepted.destroy()
    },
  )
}
