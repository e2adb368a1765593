import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { closed, compare, type Net, once, quiet, type World } from './helpers.js'

type Form = (net: Net, path: string, callback: () => void) => Socket
type Loose = (...args: unknown[]) => Socket

/** Without `new`. */
const bare = (net: Net): Socket => (net.Socket as unknown as () => Socket)()

const forms: Record<string, Form> = {
  'connect(path)': (net, path) => net.connect(path),
  'connect(path, callback)': (net, path, callback) => net.connect(path, callback),
  'connect({ path })': (net, path) => net.connect({ path }),
  'connect({ path }, callback)': (net, path, callback) => net.connect({ path }, callback),
  'createConnection(path, callback)': (net, path, callback) => net.createConnection(path, callback),
  'createConnection({ path })': (net, path) => net.createConnection({ path }),
  'new Socket().connect(path, callback)': (net, path, callback) => new net.Socket().connect(path, callback),
  'new Socket().connect({ path })': (net, path) => new net.Socket().connect({ path }),
  'Socket().connect(path)': (net, path) => bare(net).connect(path),
  'new Stream().connect({ path }, callback)': (net, path, callback) =>
    new (net as unknown as { Stream: Net['Socket'] }).Stream().connect({ path }, callback),
  'connect(path, text, callback)': (net, path, callback) =>
    (net.connect as unknown as Loose)(path, 'ignored', callback),
  'connect({ path, port })': (net, path) => net.connect({ path, port: 1 } as unknown as { path: string }),
}

/** What is at the path, and what has to be waited for. */
const targets: Record<string, (world: World) => Promise<string> | string> = {
  nothing: world => world.path,
  'a directory that is missing': world => join(world.directory, 'none', 's'),
  'a file': world => {
    writeFileSync(world.path, '')
    return world.path
  },
  'a directory': world => {
    mkdirSync(world.path)
    return world.path
  },
  'a file on the way': world => {
    writeFileSync(join(world.directory, 'f'), '')
    return join(world.directory, 'f', 's')
  },
}

for (const [form, make] of Object.entries(forms)) {
  compare(`${form} to a server`, async world => {
    await world.serve({}, accepted => accepted.end('hello'))
    const client = make(world.net, world.path, () => world.note('client', 'callback'))
    world.follow('client', client)
    world.collect('client', client)
    world.note('state', client.connecting, client.pending, client.readyState)
    await closed(client)
    world.note('state', client.connecting, client.pending, client.readyState)
  })
  for (const [target, prepare] of Object.entries(targets))
    compare(`${form}: ${target}`, async world => {
      const path = await prepare(world)
      const client = make(world.net, path, () => world.note('client', 'callback'))
      world.follow('client', client)
      world.note('state', client.connecting, client.pending, client.readyState, client.destroyed)
      await closed(client)
      world.note('state', client.connecting, client.pending, client.readyState, client.destroyed)
    })
}

const useless: Record<string, unknown[]> = {
  nothing: [],
  'options without a path': [{}],
  'a path that is undefined': [{ path: undefined }],
  'a path that is null': [{ path: null }],
  'a path that is a number': [{ path: 5 }],
  'a path that is an object': [{ path: {} }],
  'a path that is an array': [{ path: ['a'] }],
  'a path that is a function': [{ path: () => {} }],
  'a path that is a buffer': [{ path: Buffer.from('a') }],
  'a path that is true': [{ path: true }],
  'an empty text': [''],
  null: [null],
  true: [true],
  'a port that is NaN': [NaN],
  'a port below 0': [-1],
  'a port above 65535': [{ port: 70_000 }],
  'an empty port': [{ port: '' }],
  'a port that is null': [{ port: null }],
  'a port that is an object': [{ port: {} }],
}

for (const [title, args] of Object.entries(useless))
  for (const name of ['connect', 'new Socket().connect'])
    compare(`${name}(): ${title} is refused`, world => {
      const { net } = world
      world.attempt('caller', () => {
        const connect = name === 'connect' ? net.connect : net.Socket.prototype.connect
        const self = name === 'connect' ? net : world.follow('client', new net.Socket())
        return Reflect.apply(connect, self, args) as unknown
      })
    })

compare('an abstract name', async world => {
  const server = world.follow(
    'server',
    world.net.createServer(accepted => accepted.end('hello')),
  )
  server.listen(world.abstract)
  await once(server, 'listening')
  world.note('address', server.address())
  const client = world.follow('client', world.net.connect(world.abstract))
  world.collect('client', client)
  await closed(client)
  server.close()
  await closed(server)
})

compare('an abstract name without a listener', async world => {
  await closed(world.follow('client', world.net.connect(world.abstract)))
})

compare('a relative path', async world => {
  const before = process.cwd()
  process.chdir(world.directory)
  try {
    await world.serve({}, accepted => accepted.end('hello'))
    const client = world.follow('client', world.net.connect('s'))
    world.collect('client', client)
    await closed(client)
    await closed(world.follow('other', world.net.connect('./missing')))
  } finally {
    process.chdir(before)
  }
})

compare('connect in the tick of listen', async world => {
  const server = world.follow(
    'server',
    world.net.createServer(accepted => accepted.end('hello')),
  )
  server.listen(world.path)
  const client = world.follow('client', world.net.connect(world.path))
  world.collect('client', client)
  await closed(client)
})

compare(
  'a path of 109 bytes and a zero byte inside a path are invalid',
  async world => {
    for (const [track, path] of Object.entries({ long: join('/tmp', 'x'.repeat(120)), zero: '/tmp/a\0b' })) {
      const client = world.follow(track, world.net.connect(path), ['connect', 'close'])
      client.on('error', (error: NodeJS.ErrnoException) => world.note(track, error.code))
      await closed(client)
      const server = world.follow(track, world.net.createServer(), ['listening'])
      server.on('error', (error: NodeJS.ErrnoException) => world.note(track, error.code))
      server.listen(path)
      await Promise.race([once(server, 'listening'), once(server, 'error')])
    }
  },
  {
    reason: 'Node 20 and 22 take the first 108 bytes, Node 20 what is before the zero byte',
    nodes: major => major < 24,
    ours: { long: ['EINVAL', ['close', true], 'EINVAL'], zero: ['EINVAL', ['close', true], 'EINVAL'] },
  },
)

compare(
  'a full backlog is waited for',
  async world => {
    const server = world.net.createServer(() => {})
    world.keep(server).listen({ path: world.path, backlog: 1 })
    await once(server, 'listening')
    let [connected, failed] = [0, 0]
    const clients = Array.from({ length: 100 }, () => world.net.connect(world.path))
    await Promise.all(
      clients.map(
        client =>
          new Promise<void>(resolve => {
            client.on('connect', () => connected++).on('connect', resolve)
            client.on('error', () => failed++).on('error', resolve)
            world.keep(client)
          }),
      ),
    )
    world.note('clients', failed === 0, connected === 100)
  },
  { reason: 'node:net fails with EAGAIN', ours: { clients: [true, true] } },
)

compare('two sockets of one path, and their order', async world => {
  await world.serve({}, accepted => accepted.end())
  const first = world.follow('both', world.net.connect(world.path), ['connect'])
  const second = world.follow('both', world.net.connect(world.path), ['connect'])
  await closed(first.resume(), second.resume())
})

compare('nothing is emitted before connect() has returned, nor in its ticks', async world => {
  const client = world.follow('all', world.net.connect(world.path))
  world.note('all', 'returned')
  process.nextTick(() => world.note('all', 'tick'))
  void Promise.resolve().then(() => world.note('all', 'microtask'))
  await closed(client)
})

compare('connect: its timeout is the socket’s', async world => {
  await world.serve({}, accepted => world.keep(accepted))
  const client = world.follow('client', world.net.connect({ path: world.path, timeout: 20 }))
  world.note('timeout', client.timeout)
  await once(client, 'timeout')
  world.note('timeout', client.timeout, client.destroyed)
})

for (const end of ['end', 'destroy'] as const)
  compare(`a socket connects again after its close by ${end}()`, async world => {
    await world.serve({}, accepted => accepted.resume().end('hello'))
    const client = world.follow('client', new world.net.Socket(), ['connect', 'ready', 'finish', 'close'])
    client.on('end', () => world.note('end', 'end'))
    for (const round of [1, 2, 3]) {
      client.connect(world.path, () => world.note('client', `round ${round}`))
      world.note('client', client.bytesRead, client.bytesWritten, client.destroyed, client.readyState)
      client.write(`round ${round}`)
      await once(client, 'connect')
      client.resume()
      if (end === 'end') client.end()
      else client.once('finish', () => client.destroy())
      await closed(client)
      world.note('client', client.bytesRead, client.bytesWritten)
    }
  })

compare('a socket connects again after a failure', async world => {
  const client = world.follow('client', world.net.connect(world.path))
  await closed(client)
  await world.serve({}, accepted => accepted.end('hello'))
  client.connect(world.path)
  world.note('client', client.destroyed, client.connecting)
  world.collect('client', client)
  await closed(client)
})

compare('connect() of a connected socket fails', async world => {
  const { client } = await world.pair()
  world.follow('client', client)
  client.connect(world.path)
  await closed(client)
})

compare(
  'a port is refused',
  world => {
    for (const args of [
      [1],
      ['1'],
      [1, 'localhost'],
      [{ port: 1 }],
      [{ port: 1, host: '::1' }],
      [{ path: '' }],
    ])
      world.attempt('caller', () => {
        const socket = world.follow('clients', (world.net.connect as unknown as Loose)(...args), [])
        return socket.connecting
      })
  },
  {
    reason: 'it serves paths only',
    ours: {
      caller: Array.from({ length: 6 }, () => [
        'throws',
        { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
      ]),
    },
  },
)

test('the refusal of a port names node:net', async t => {
  const { connect, createServer } = createRequire(import.meta.url)('../../net.js') as Net
  t.throws(() => connect(80, 'localhost'), { message: /node:net/ })
  t.throws(() => createServer().listen(80), { message: /node:net/ })
  await quiet(0)
})
