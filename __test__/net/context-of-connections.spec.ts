import { AsyncLocalStorage } from 'node:async_hooks'
import { type EventEmitter } from 'node:events'
import { type Server, type Socket } from 'node:net'
import { closed, compare, once, type World } from './helpers.js'

const storage = new AsyncLocalStorage<string>()

/** Notes in whose context an emitter calls its listeners. */
function watch(world: World, track: string, emitter: EventEmitter, events: string[]): void {
  for (const event of events) emitter.on(event, () => world.note(track, `${event} in ${storage.getStore()}`))
}

compare(
  'a client’s callbacks run in the context of connect()',
  async world => {
    await world.serve({}, accepted => accepted.end('hello'))
    const client = storage.run('connect', () => world.keep(world.net.connect(world.path)))
    watch(world, 'client', client, ['connect', 'ready', 'data', 'end', 'finish', 'close'])
    storage.run('write', () =>
      client.write('hello', () => world.note('written', `written in ${storage.getStore()}`)),
    )
    await closed(client)
  },
  {
    reason: "write()'s callback runs in the context of write()",
    ours: {
      client: [
        'connect in connect',
        'ready in connect',
        'data in connect',
        'end in connect',
        'finish in connect',
        'close in connect',
      ],
      written: ['written in write'],
    },
  },
)

compare('a client that fails reports it in the context of connect()', async world => {
  const client = storage.run('connect', () => world.keep(world.net.connect(world.path)))
  watch(world, 'client', client, ['error', 'close'])
  await closed(client)
})

compare('a socket made elsewhere has the context of its connect()', async world => {
  await world.serve({}, accepted => accepted.end('hello'))
  const client = storage.run('made', () => world.keep(new world.net.Socket()))
  watch(world, 'client', client, ['connect', 'data', 'end', 'close'])
  storage.run('connect', () => client.connect(world.path))
  await closed(client)
})

compare(
  'a server’s callbacks run in the context of listen()',
  async world => {
    const server: Server = storage.run('made', () => world.keep(world.net.createServer()))
    watch(world, 'server', server, ['listening', 'connection', 'close'])
    storage.run('listen', () => server.listen(world.path))
    await once(server, 'listening')
    const accepting = once(server, 'connection')
    const client = storage.run('client', () => world.keep(world.net.connect(world.path)))
    const [accepted] = (await accepting) as [Socket]
    watch(world, 'accepted', accepted, ['data', 'end', 'finish', 'close'])
    storage.run('client', () => client.resume().end('hello'))
    await closed(accepted)
    storage.run('close', () => server.close())
    await closed(server)
  },
  {
    reason: 'those of an accepted socket, too; with node:net they run in none',
    ours: {
      accepted: ['data in listen', 'end in listen', 'finish in listen', 'close in listen'],
      server: ['listening in listen', 'connection in listen', 'close in close'],
    },
  },
)
