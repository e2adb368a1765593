import { captureRejectionSymbol, EventEmitter } from 'node:events'
import { existsSync } from 'node:fs'
import { type Server, type Socket } from 'node:net'
import { closed, compare, once, quiet, type World } from './helpers.js'

type Loose = (...args: unknown[]) => Server

const given: Record<string, unknown[]> = {
  nothing: [],
  'a listener': [() => {}],
  options: [{}],
  'options and a listener': [{}, () => {}],
  null: [null],
  'undefined and a listener': [undefined, () => {}],
  allowHalfOpen: [{ allowHalfOpen: true }],
  pauseOnConnect: [{ pauseOnConnect: true }],
  noDelay: [{ noDelay: true }],
  keepAlive: [{ keepAlive: true, keepAliveInitialDelay: 5500 }],
  'keepAliveInitialDelay below 0': [{ keepAliveInitialDelay: -1 }],
  highWaterMark: [{ highWaterMark: 7 }],
  'highWaterMark below 0': [{ highWaterMark: -1 }],
  text: ['x'],
  'a number': [5],
  'highWaterMark that is text': [{ highWaterMark: 'x' }],
  'keepAliveInitialDelay that is no number': [{ keepAliveInitialDelay: NaN }],
  'keepAliveInitialDelay without end': [{ keepAliveInitialDelay: Infinity }],
  'keepAliveInitialDelay that is text': [{ keepAliveInitialDelay: 'x' }],
  'a listener that is none': [{}, 'x'],
}

const settings = [
  'allowHalfOpen',
  'pauseOnConnect',
  'noDelay',
  'keepAlive',
  'highWaterMark',
  'maxConnections',
  'listening',
  '_connections',
] as const

for (const [title, args] of Object.entries(given))
  for (const name of ['createServer', 'new Server', 'Server'])
    compare(`${name}(): ${title}`, world => {
      world.attempt('caller', () => {
        const { Server } = world.net
        const server =
          name === 'createServer'
            ? (world.net.createServer as Loose)(...args)
            : name === 'Server'
              ? (Server as unknown as Loose)(...args)
              : (Reflect.construct(Server, args) as Server)
        world.note(
          'is',
          server instanceof Server,
          server instanceof EventEmitter,
          server.constructor === Server,
        )
        world.note('is', server.listenerCount('connection'), server.address())
        return settings.map(setting => (server as never)[setting])
      })
    })

compare('a server reports its connections, and closes when the last has ended', async world => {
  const accepted: Socket[] = []
  const server = await world.serve({}, socket => accepted.push(socket), 'server')
  const clients = [1, 2, 3].map(() => world.keep(world.net.connect(world.path)))
  await Promise.all(clients.map(client => once(client, 'connect')))
  while (accepted.length < 3) await quiet(1)
  const count = (): Promise<void> =>
    new Promise(resolve => {
      const returned = server.getConnections((error, connections) => {
        world.note('count', error, connections)
        resolve()
      })
      world.note('count', returned === server)
    })
  await count()
  server.close(error => world.note('server', ['closed', error]))
  world.note('state', server.listening, existsSync(world.path))
  await count()
  for (const client of clients) {
    client.destroy()
    accepted.shift()!.destroy()
    await count()
  }
  await quiet()
})

compare('getConnections() without a callback throws', async world => {
  const server = await world.serve()
  world.attempt('caller', () => (server.getConnections as unknown as () => unknown)())
})

compare('an accepted socket knows its server', async world => {
  const { accepted, server, client } = await world.pair()
  const known = accepted as Socket & { server: unknown; _server: unknown }
  world.note('is', known.server === server, known._server === server)
  world.note('is', (client as typeof known).server, accepted instanceof world.net.Socket)
})

for (const limit of [1, 2, 3])
  compare(`maxConnections ${limit}: the others are dropped`, async world => {
    const server = await world.serve({}, undefined, 'server')
    server.maxConnections = limit
    for (let number = 1; number <= 4; number++) {
      const accepted = number <= limit ? once(server, 'connection') : undefined
      const client = world.follow(`client ${number}`, world.net.connect(world.path), [
        'connect',
        'end',
        'error',
        'close',
      ])
      const ended = closed(client)
      await once(client.resume(), 'connect')
      await (accepted ?? ended)
    }
    await new Promise<void>(resolve => {
      server.getConnections((_error, count) => {
        world.note('count', count)
        resolve()
      })
    })
  })

compare(
  'maxConnections 0 drops every connection',
  async world => {
    const server = await world.serve({}, undefined, 'server')
    server.maxConnections = 0
    const client = world.follow('client', world.net.connect(world.path), ['end', 'close'])
    await Promise.race([closed(client.resume()), quiet(100)])
  },
  {
    reason: 'Node 20 takes 0 for no limit',
    nodes: major => major < 22,
    ours: { server: ['listening', 'drop'], client: ['end', ['close', false]] },
  },
)

compare('maxConnections: there is room again when one has ended', async world => {
  const server = await world.serve({}, undefined, 'server')
  server.maxConnections = 1
  const first = world.keep(world.net.connect(world.path))
  await once(server, 'connection')
  const second = world.keep(world.net.connect(world.path))
  await closed(second.resume())
  first.destroy()
  await quiet()
  world.keep(world.net.connect(world.path))
  await once(server, 'connection')
})

for (const pauseOnConnect of [false, true])
  compare(`pauseOnConnect ${pauseOnConnect}`, async world => {
    const { client, accepted } = await world.pair({}, { pauseOnConnect })
    world.note('state', accepted.isPaused(), accepted.readableFlowing)
    client.write('hello')
    await quiet()
    world.note('state', accepted.bytesRead, accepted.readableLength)
    world.collect('accepted', accepted)
    client.end()
    if (pauseOnConnect) {
      await quiet()
      world.note('state', accepted.bytesRead)
      accepted.resume()
    }
    await closed(accepted)
  })

compare('options of the server become those of accepted sockets, as they are then', async world => {
  const server = await world.serve({ highWaterMark: 100, allowHalfOpen: true })
  const accept = async (): Promise<void> => {
    world.keep(world.net.connect(world.path))
    const [socket] = (await once(server, 'connection')) as [Socket]
    world.note('socket', socket.readableHighWaterMark, socket.writableHighWaterMark, socket.allowHalfOpen)
  }
  await accept()
  const mutable = server as unknown as { allowHalfOpen: boolean; highWaterMark: number }
  mutable.allowHalfOpen = false
  await accept()
  mutable.highWaterMark = 5
  await accept()
  await accept()
})

const closings: Record<string, (server: Server, world: World) => unknown> = {
  'close()': server => server.close(),
  'close(callback)': (server, world) => server.close(error => world.note('callback', error)),
  'close(text)': server => (server.close as unknown as Loose)('x'),
  'close() twice': (server, world) => {
    server.close(error => world.note('callback', error))
    server.close(error => world.note('second callback', error))
  },
  'await using': server => server[Symbol.asyncDispose](),
}

for (const [title, close] of Object.entries(closings))
  for (const state of [
    'that never listened',
    'that listens',
    'that is closed',
    'that has failed',
    'with a connection',
  ] as const)
    compare(`${title} of a server ${state}`, async world => {
      const server = world.follow('server', world.net.createServer(), ['listening', 'error', 'close'])
      let client: Socket | undefined
      if (state !== 'that never listened') {
        if (state === 'that has failed') {
          server.listen(`${world.path}/none/s`)
          await once(server, 'error')
        } else {
          server.listen(world.path)
          await once(server, 'listening')
        }
        if (state === 'that is closed') {
          server.close()
          await closed(server)
        }
        if (state === 'with a connection') {
          client = world.keep(world.net.connect(world.path))
          await once(server, 'connection')
        }
      }
      const closing = Promise.resolve(close(server, world)).then(() => world.note('closing', 'settled'))
      world.note('state', server.listening, existsSync(world.path))
      await quiet(10)
      world.note('state', server.listening)
      client?.destroy()
      await quiet(10)
      await closing
    })

for (const method of ['ref', 'unref'] as const)
  compare(`server.${method}() returns the server, in every state`, async world => {
    const server = world.keep(world.net.createServer())
    world.note('is', server[method]() === server)
    server.listen(world.path)
    world.note('is', server[method]() === server)
    await once(server, 'listening')
    world.note('is', server[method]() === server)
    server.ref().close()
    await closed(server)
    world.note('is', server[method]() === server)
  })

for (const setting of [true, false])
  compare(`an async connection listener that fails, captureRejections ${setting}`, async world => {
    const before = EventEmitter.captureRejections
    EventEmitter.captureRejections = setting
    const server = world.net.createServer(async () => {
      if (setting) throw new Error('own')
    })
    EventEmitter.captureRejections = before
    world.follow('server', server, ['error', 'close']).listen(world.path)
    server.on('connection', accepted => world.follow('accepted', accepted, ['error', 'close']))
    const client = world.follow('client', world.net.connect(world.path), ['end', 'close'])
    const ended = setting ? closed(client) : undefined
    await once(client.resume(), 'connect')
    await (ended ?? quiet())
    world.note('is', typeof (server as never)[captureRejectionSymbol])
  })

compare('an async listener of another event that fails', async world => {
  EventEmitter.captureRejections = true
  const server = world.follow('server', world.net.createServer(), ['error'])
  EventEmitter.captureRejections = false
  server.on('listening', async () => {
    throw new Error('own')
  })
  server.listen(world.path)
  await once(server, 'error')
})

compare('a connection listener that throws does not prevent further connections', async world => {
  const server = await world.serve({}, () => {
    throw new Error('own')
  })
  await world.catching(async () => {
    const clients = [1, 2, 3].map(() => world.keep(world.net.connect(world.path)))
    await Promise.all(clients.map(client => once(client, 'connect')))
    while ((world.tracks['uncaught']?.length ?? 0) < 3) await quiet(1)
  })
  world.note('state', server.listening)
})

compare('a server whose highWaterMark no stream takes reports that, and can close', async world => {
  const server = await world.serve({ highWaterMark: 1.5 })
  await world.catching(async () => {
    const client = world.keep(world.net.connect(world.path))
    await once(client, 'connect')
    while ((world.tracks['uncaught']?.length ?? 0) < 1) await quiet(1)
  })
  world.note('connections', server['_connections' as never])
  const ended = once(server, 'close')
  server.close()
  await ended
})

compare('200 clients at once are all accepted, and served', async world => {
  const server = await world.serve({}, accepted => accepted.end('hello'))
  const clients = Array.from({ length: 200 }, () => world.keep(world.net.connect(world.path)))
  const texts = await Promise.all(
    clients.map(async client => {
      let text = ''
      client.on('data', chunk => (text += chunk))
      await closed(client)
      return text
    }),
  )
  world.note('texts', texts.filter(text => text === 'hello').length, server.listening)
})

compare('emit(connection) of a socket from elsewhere', async world => {
  const { client, accepted } = await world.pair()
  const other = world.net.createServer(socket => {
    world.note('is', socket === accepted)
    socket.end('hello')
  })
  other.emit('connection', accepted)
  world.collect('client', client)
  await closed(client)
})
