import { AsyncLocalStorage } from 'node:async_hooks'
import { type EventEmitter } from 'node:events'
import { type Server, type Socket } from 'node:net'
import { compare, type Difference, once, quiet, type Tracks, type World } from './helpers.js'

const storage = new AsyncLocalStorage<string>()
const big = Buffer.alloc(4 * 1024 * 1024)

/** Runs `work` in the context `name`. */
const inContext = <T>(name: string, work: () => T): T => storage.run(name, work)

/** A callback that notes the context in which it is called, and its error. */
const noting = (world: World, name: string) => (error?: Error | null) =>
  world.note(name, error ? [(error as NodeJS.ErrnoException).code ?? error.message] : [], storage.getStore())

/** Notes in whose context each event comes first. */
function watch<T extends EventEmitter>(world: World, emitter: T, events: readonly string[], prefix = ''): T {
  for (const event of events) emitter.once(event, () => world.note(`${prefix}${event}`, storage.getStore()))
  return emitter
}

/** A server of no context. */
function serve(
  world: World,
  listener: (socket: Socket) => void = socket => socket.resume(),
): Promise<Server> {
  return storage.exit(() => world.serve({}, listener))
}

async function connected(world: World, options: object = {}): Promise<Socket> {
  const client = inContext('connect', () => world.keep(world.net.connect({ path: world.path, ...options })))
  await once(client, 'connect')
  await quiet(5)
  return client
}

/** Lets the client attach its listeners first, also on a loaded machine. */
const late = (work: (socket: Socket) => void) => (socket: Socket) =>
  void setTimeout(() => storage.exit(() => work(socket)), 200)

interface Case {
  program: (world: World) => Promise<unknown>
  /** Where node:net has another context, and why. */
  difference?: { reason: string; ours: Tracks }
}

const ofTheCause = 'events come in the socket’s context; with node:net in that of the call which led to them'
const ofTheCaller = 'a callback runs in its caller’s context; with node:net in that of an earlier write'

const cases: Record<string, Case> = {
  'connect(path, callback) and what follows from it': {
    async program(world) {
      await serve(
        world,
        late(socket => socket.end('hello')),
      )
      const client = inContext('connect', () =>
        world.keep(world.net.connect(world.path, noting(world, 'callback'))),
      )
      watch(world, client, ['connect', 'ready', 'data', 'end', 'finish', 'close'])
      await once(client, 'close')
    },
  },
  'socket.connect() of a socket made elsewhere': {
    async program(world) {
      await serve(
        world,
        late(socket => socket.end('hello')),
      )
      const client = inContext('made', () => world.keep(new world.net.Socket()))
      watch(world, client, ['connectionAttempt', 'connect', 'ready', 'data', 'end', 'finish', 'close'])
      inContext('connect', () => client.connect(world.path, noting(world, 'callback')))
      await once(client, 'close')
    },
  },
  'connect() again': {
    async program(world) {
      await serve(
        world,
        late(socket => socket.end('hello')),
      )
      const client = inContext('first', () => world.keep(world.net.connect(world.path)))
      await once(client.resume(), 'close')
      watch(world, client, ['connectionAttempt', 'connect', 'ready', 'data', 'end', 'finish', 'close'])
      inContext('second', () => client.connect(world.path))
      await once(client, 'close')
    },
  },
  'a connection that fails': {
    async program(world) {
      const client = inContext('connect', () => world.keep(world.net.connect(world.path)))
      watch(world, client, ['connectionAttemptFailed', 'error', 'close'])
      await once(client, 'close')
    },
  },
  'callbacks of small writes': {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      for (const name of ['first', 'second', 'third'])
        inContext(name, () => client.write('x', noting(world, name)))
      await quiet(10)
      inContext('text', () => client.write('x', 'latin1', noting(world, 'text')))
      await quiet(10)
    },
  },
  'the callback of a large write': {
    async program(world) {
      await serve(
        world,
        late(socket => socket.resume()),
      )
      const client = await connected(world)
      await new Promise<void>(resolve => {
        inContext('write', () =>
          client.write(big, error => {
            noting(world, 'written')(error)
            resolve()
          }),
        )
      })
    },
  },
  'callbacks of writes behind a large one': {
    async program(world) {
      await serve(
        world,
        late(socket => socket.resume()),
      )
      const client = await connected(world)
      inContext('large', () => client.write(big, noting(world, 'large')))
      inContext('second', () => client.write('x', noting(world, 'second')))
      inContext('end', () => client.end('y', noting(world, 'end')))
      await once(client, 'finish')
      await quiet(5)
    },
    difference: {
      reason: ofTheCaller,
      ours: { large: [[], 'large'], second: [[], 'second'], end: [[], 'end'] },
    },
  },
  'callbacks of corked writes': {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      inContext('cork', () => client.cork())
      for (const name of ['first', 'second']) inContext(name, () => client.write('x', noting(world, name)))
      inContext('uncork', () => client.uncork())
      await quiet(10)
    },
    difference: {
      reason: 'a callback runs in its caller’s context; with node:net in that of uncork()',
      ours: { first: [[], 'first'], second: [[], 'second'] },
    },
  },
  'the callback of a write before the connection': {
    async program(world) {
      await serve(world)
      const client = inContext('connect', () => world.keep(world.net.connect(world.path)))
      inContext('write', () => client.write('x', noting(world, 'written')))
      await once(client, 'connect')
      await quiet(10)
    },
    difference: {
      reason: 'a callback runs in its caller’s context; with node:net in that of connect()',
      ours: { written: [[], 'write'] },
    },
  },
  'end(callback)': {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      watch(world, client, ['end', 'close'])
      inContext('end', () => client.end('x', noting(world, 'ended')))
      await once(client, 'close')
    },
  },
  "'drain' and 'finish'": {
    async program(world) {
      await serve(
        world,
        late(socket => socket.resume()),
      )
      const client = await connected(world)
      watch(world, client, ['drain', 'finish'])
      inContext('write', () => client.write(big))
      await once(client, 'drain')
      inContext('end', () => client.end())
      await once(client, 'finish')
    },
    difference: { reason: ofTheCause, ours: { drain: ['connect'], finish: ['connect'] } },
  },
  'setTimeout(milliseconds, callback)': {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      inContext('first', () => client.setTimeout(5, noting(world, 'callback')))
      await once(client, 'timeout')
      inContext('second', () => client.setTimeout(6, noting(world, 'callback')))
      await once(client, 'timeout')
    },
  },
  "'timeout'": {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      watch(world, client, ['timeout'])
      inContext('set', () => client.setTimeout(5))
      await once(client, 'timeout')
    },
    difference: { reason: ofTheCause, ours: { timeout: ['connect'] } },
  },
  'destroy()': {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      watch(world, client, ['close'])
      inContext('destroy', () => client.destroy())
      await once(client, 'close')
    },
  },
  'destroy(error)': {
    async program(world) {
      await serve(world)
      const client = await connected(world)
      watch(world, client, ['error', 'close'])
      inContext('destroy', () => client.destroy(new Error('enough')))
      await once(client, 'close')
    },
    difference: { reason: ofTheCause, ours: { error: ['connect'], close: ['connect'] } },
  },
  "'readable'": {
    async program(world) {
      await serve(
        world,
        late(socket => socket.end('hello')),
      )
      const client = await connected(world)
      watch(world, client, ['readable', 'end'])
      client.on('readable', () => {
        while (client.read() !== null);
      })
      await once(client, 'close')
    },
  },
  iteration: {
    async program(world) {
      await serve(
        world,
        late(socket => socket.end('hello')),
      )
      const client = await connected(world)
      await inContext('loop', async () => {
        for await (const chunk of client) world.note('loop', chunk, storage.getStore())
        world.note('loop', 'end', storage.getStore())
      })
    },
  },
  'promises, ticks, immediates and timers that follow from an event': {
    async program(world) {
      await serve(
        world,
        late(socket => socket.write('hello')),
      )
      const client = await connected(world)
      const done = new Promise<void>(resolve => {
        client.once('data', async () => {
          await Promise.resolve()
          world.note('after', 'promise', storage.getStore())
          process.nextTick(() => world.note('after', 'tick', storage.getStore()))
          setImmediate(() => world.note('after', 'immediate', storage.getStore()))
          setTimeout(() => {
            world.note('timer', storage.getStore())
            resolve()
          }, 5)
        })
      })
      await done
    },
  },
  'a server': {
    async program(world) {
      const server = inContext('made', () => world.keep(world.net.createServer()))
      watch(world, server, ['listening', 'connection', 'close'])
      inContext('listen', () => server.listen(world.path, noting(world, 'callback')))
      await once(server, 'listening')
      const client = inContext('client', () => world.keep(world.net.connect(world.path)))
      await once(server, 'connection')
      inContext('count', () => server.getConnections(noting(world, 'count')))
      client.destroy()
      await quiet(10)
      inContext('close', () => server.close(noting(world, 'closed')))
      await once(server, 'close')
    },
  },
  'a server that cannot listen': {
    async program(world) {
      const server = inContext('made', () => world.keep(world.net.createServer()))
      watch(world, server, ['error'])
      inContext('listen', () => server.listen(`${world.path}/none`))
      await once(server, 'error')
    },
  },
  'callbacks of an accepted socket': {
    async program(world) {
      const server = await serve(world)
      const accepting = once(server, 'connection')
      world.keep(world.net.connect(world.path)).resume()
      const [accepted] = (await accepting) as [Socket]
      inContext('write', () => accepted.write('x', noting(world, 'written')))
      inContext('timeout', () => accepted.setTimeout(5, noting(world, 'timeout')))
      await once(accepted, 'timeout')
    },
  },
  'events of an accepted socket': {
    async program(world) {
      const server = world.keep(world.net.createServer())
      inContext('listen', () => server.listen(world.path))
      const accepting = once(server, 'connection')
      const client = inContext('client', () => world.keep(world.net.connect(world.path)))
      const [accepted] = (await accepting) as [Socket]
      watch(world, accepted, ['data', 'end', 'finish', 'close'])
      inContext('client', () => client.resume().end('hello'))
      await once(accepted, 'close')
    },
    difference: {
      reason: 'they come in the context of listen(), with node:net in none',
      ours: { data: ['listen'], end: ['listen'], finish: ['listen'], close: ['listen'] },
    },
  },
}

for (const [title, { program, difference }] of Object.entries(cases))
  compare(`contexts: ${title}`, program, difference as Difference | undefined)
