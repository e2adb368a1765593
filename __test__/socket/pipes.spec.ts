// Backpressured pipes into sockets: whatever the source, however fast either end, each byte arrives once and in order.
import { Agent as NetAgent, createServer } from 'node:http'
import { type Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import test from 'ava'
import { Agent } from '../../http.js'
import { connect } from '../../index.js'
import { once } from '../helpers/sockets.js'
import {
  bytesFor,
  digest,
  type Pace,
  send,
  served,
  sinks,
  sources,
  switching,
  upgraded,
  ways,
} from './pipe-helpers.js'
import { takers } from '../helpers/connection-takers.js'

const paces: Pace[] = ['fast', 'slow']

for (const [sinkName, open] of Object.entries(sinks))
  for (const [sourceName, start] of Object.entries(sources))
    test(`every byte of ${sourceName} arrives through a socket of ${sinkName}`, async t => {
      t.timeout(110_000)
      for (const [way, carry] of Object.entries(ways))
        for (const sourcePace of paces)
          for (const peerPace of paces) {
            const what = `${way}, ${sourcePace} source, ${peerPace} reader`
            const { data, expected } = bytesFor(sourcePace, peerPace)
            const { sink, peer } = await open(t)
            const source = await start(t, data, sourcePace)
            const events: string[] = []
            for (const stream of [source, sink])
              stream.on('error', (error: NodeJS.ErrnoException) => events.push(`'error' ${error.code}`))
            const [arrived, outcome] = await Promise.all([
              digest(peer, peerPace, sourceName === 'gzip').catch(String),
              carry(source, sink).then(
                () => 'finished',
                (error: unknown) => String(error),
              ),
            ])
            t.deepEqual(
              { arrived, outcome, events },
              { arrived: expected, outcome: 'finished', events: [] },
              what,
            )
            sink.destroy()
            peer.destroy()
          }
    })

/** What a server does that sends back what it gets. */
const echoes: Record<string, (socket: Duplex) => unknown> = {
  'socket.pipe(socket)': socket => socket.pipe(socket),
  'pipeline(socket, socket)': socket => pipeline(socket, socket),
  'pipeline(socket, createGunzip(), createGzip(), socket)': socket =>
    pipeline(socket, createGunzip(), createGzip({ level: 1 }), socket),
}

for (const [name, serve] of Object.entries(takers))
  for (const [how, echo] of Object.entries(echoes))
    test(`an echo by ${how} on a socket of ${name} brings back every byte`, async t => {
      t.timeout(110_000)
      const faults: unknown[] = []
      const path = await serve(t, socket => {
        socket.on('error', error => faults.push(error))
        void echo(socket)
      })
      for (const pace of paces) {
        const { data, expected } = bytesFor(pace)
        const client = await connect(path)
        t.teardown(() => client.destroy())
        const isZipped = how.includes('Gzip')
        const sending = isZipped ? sources['gzip']!(t, data, pace) : undefined
        if (sending === undefined) void send(data, pace, client)
        else (await sending).pipe(client)
        t.is(await digest(client, pace, isZipped), expected, pace)
      }
      t.deepEqual(faults, [])
    })

const agents = {
  'udsock/http': (path: string) => new Agent(path),
  'node:http': (path: string) => Object.assign(new NetAgent(), { options: { socketPath: path } }),
}

for (const [name, serve] of Object.entries(takers))
  for (const [whose, agentFor] of Object.entries(agents))
    test(`a proxy of upgraded connections on ${name}, with an Agent of ${whose}, loses no byte`, async t => {
      t.timeout(110_000)
      const kept = <T extends Duplex>(socket: T): T => {
        t.teardown(() => socket.destroy())
        return socket
      }
      const origin = createServer().on('upgrade', (_request, socket: Duplex) => {
        socket.write(switching)
        kept(socket).pipe(socket)
      })
      const toOrigin = agentFor(await served(t, origin))
      const proxy = createServer().on('upgrade', async (_request, socket: Duplex) => {
        const upstream = kept(await upgraded(toOrigin))
        kept(socket).write(switching)
        socket.pipe(upstream).pipe(socket)
      })
      const path = await serve(t, socket => proxy.emit('connection', socket))
      for (const pace of paces) {
        const { data, expected } = bytesFor(pace)
        const client = kept(await upgraded(agents['udsock/http'](path)))
        void send(data, pace, client)
        t.is(await digest(client, pace), expected, pace)
      }
    })

test('two sources that end one after the other share a socket, and lose no byte', async t => {
  t.timeout(110_000)
  for (const [name, open] of Object.entries(sinks)) {
    const { data, expected } = bytesFor('fast')
    const { sink, peer } = await open(t)
    const [first, second] = [data.subarray(0, 1_000_000), data.subarray(1_000_000)].map(part =>
      sources['Readable.from()']!(t, part, 'fast'),
    )
    const receiving = digest(peer, 'slow')
    const one = await first!
    one.pipe(sink, { end: false })
    await once(one, 'end')
    ;(await second!).pipe(sink)
    t.is(await receiving, expected, name)
    sink.destroy()
  }
})
