import { type Socket } from 'node:net'
import { constants } from 'node:os'
import { compare, type Difference, once, quiet, type World } from './helpers.js'

const big = Buffer.alloc(4 * 1024 * 1024)
const events = [
  'connectionAttempt',
  'connectionAttemptFailed',
  'connect',
  'ready',
  'data',
  'end',
  'drain',
  'finish',
  'timeout',
  'error',
  'close',
]

/** Notes everything in the one order in which it came. */
function follow(world: World, socket: Socket, prefix = ''): Socket {
  for (const event of events)
    socket.on(event, (...args: unknown[]) => world.note('order', [`${prefix}${event}`, ...args]))
  return world.keep(socket)
}

const noting = (world: World, name: string) => (error?: Error | null) =>
  world.note('order', error ? [name, error] : [name])

const paused = (socket: Socket): Socket => socket.pause()
const flowing = (socket: Socket): Socket => socket.resume()

async function connected(
  world: World,
  listener: (socket: Socket) => unknown = flowing,
  options: object = {},
): Promise<Socket> {
  const server = await world.serve(
    { allowHalfOpen: true },
    socket => void listener(socket.on('error', () => {})),
  )
  const accepted = once(server, 'connection')
  const client = world.net.connect({ path: world.path, ...options })
  await Promise.all([once(client, 'connect'), accepted])
  await quiet(5)
  return follow(world, client)
}

const canceled = {
  code: 'ECANCELED',
  errno: -constants.errno.ECANCELED,
  message: 'write ECANCELED',
  name: 'Error',
  syscall: 'write',
}
const enough = { code: undefined, message: 'enough', name: 'Error' }
const before22 = {
  reason: 'Node 20 reports success for a write that was under way',
  nodes: (major: number) => major < 22,
}

interface Case {
  program: (world: World) => Promise<unknown>
  difference?: Difference
}

const cases: Record<string, Case> = {
  'a connection that fails with writes pending': {
    async program(world) {
      const client = follow(world, world.net.connect(world.path))
      client.write('first', noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      client.end('third', noting(world, 'end'))
      world.note('order', ['length', client.writableLength, client.bytesWritten])
      await once(client, 'close')
      await quiet(5)
    },
  },
  'a connection that fails with end() pending': {
    async program(world) {
      const client = follow(world, world.net.connect(world.path))
      client.end(noting(world, 'end'))
      await once(client, 'close')
      await quiet(5)
    },
  },
  'destroy() while connecting, with writes pending': {
    async program(world) {
      await world.serve({}, socket => flowing(socket.on('error', () => {})))
      const client = follow(world, world.net.connect(world.path))
      client.write('first', noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      client.destroy()
      world.note('order', [client.connecting, client.pending, client.destroyed])
      await once(client, 'close')
      await quiet(5)
    },
  },
  'destroy(error) while connecting, with writes and end() pending': {
    async program(world) {
      await world.serve({}, socket => flowing(socket.on('error', () => {})))
      const client = follow(world, world.net.connect(world.path))
      client.write('first', noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      client.end(noting(world, 'end'))
      client.destroy(new Error('enough'))
      await once(client, 'close')
      await quiet(5)
    },
  },
  'destroy() with writes that the kernel has': {
    async program(world) {
      const client = await connected(world)
      client.write('first', noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      client.destroy()
      await once(client, 'close')
      await quiet(5)
    },
  },
  'destroy() with writes that the kernel has not': {
    async program(world) {
      const client = await connected(world, paused)
      client.write(big, noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      client.end(noting(world, 'end'))
      await quiet(5)
      client.destroy()
      await once(client, 'close')
      await quiet(5)
    },
    difference: {
      ...before22,
      ours: {
        order: [
          ['first', canceled],
          ['second', canceled],
          ['end', canceled],
          ['close', false],
        ],
      },
    },
  },
  'destroy(error) with writes that the kernel has not': {
    async program(world) {
      const client = await connected(world, paused)
      client.write(big, noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      await quiet(5)
      client.destroy(new Error('enough'))
      await once(client, 'close')
      await quiet(5)
    },
    difference: {
      ...before22,
      ours: {
        order: [
          ['error', enough],
          ['first', canceled],
          ['second', enough],
          ['close', true],
        ],
      },
    },
  },
  'destroy() in the tick of end()': {
    async program(world) {
      const client = await connected(world)
      client.write('first', noting(world, 'first'))
      client.end('second', noting(world, 'end'))
      client.destroy()
      await once(client, 'close')
      await quiet(5)
    },
  },
  'write() and end() behind destroy()': {
    async program(world) {
      const client = await connected(world)
      client.destroy()
      client.write('first', noting(world, 'first'))
      client.end(noting(world, 'end'))
      await once(client, 'close')
      await quiet(5)
    },
  },
  'write() and end() behind end()': {
    async program(world) {
      const client = await connected(world)
      client.end('first', noting(world, 'end'))
      client.end(noting(world, 'end again'))
      client.write('second', noting(world, 'second'))
      await once(client, 'close')
      await quiet(5)
    },
  },
  'write() behind the peer’s end': {
    async program(world) {
      let accepted: Socket
      const client = await connected(world, socket => (accepted = socket))
      client.resume()
      accepted!.end()
      await once(client, 'end')
      await quiet(10)
      client.write('late', noting(world, 'late'))
      await quiet(10)
    },
  },
  'write() to a peer that is gone': {
    async program(world) {
      let accepted: Socket
      const client = await connected(world, socket => (accepted = socket), { allowHalfOpen: true })
      accepted!.destroy()
      await once(client.resume(), 'end')
      client.write('first', noting(world, 'first'))
      client.write('second', noting(world, 'second'))
      await once(client, 'close')
      await quiet(5)
    },
  },
  'end() and the peer’s end: not half-open': {
    async program(world) {
      const client = await connected(world, socket => socket.resume().on('end', () => socket.end('bye')))
      client.end('hello', noting(world, 'end'))
      await once(client, 'close')
    },
  },
  'end() and the peer’s end: half-open': {
    async program(world) {
      const client = await connected(world, socket => socket.resume().on('end', () => socket.end('bye')), {
        allowHalfOpen: true,
      })
      client.end('hello', noting(world, 'end'))
      await once(client, 'close')
    },
  },
  'the peer’s end first: not half-open': {
    async program(world) {
      const client = await connected(world, socket => socket.end('bye'))
      await once(client, 'close')
    },
  },
  'the peer’s end first: half-open': {
    async program(world) {
      const client = await connected(world, socket => socket.end('bye'), { allowHalfOpen: true })
      await once(client, 'end')
      await quiet(10)
      world.note('order', ['open', client.readyState, client.destroyed])
      client.end('hello', noting(world, 'end'))
      await once(client, 'close')
    },
  },
  'a paused socket notes the peer’s end only when it is resumed': {
    async program(world) {
      const client = await connected(world, socket => socket.end('bye'), { allowHalfOpen: true })
      client.pause()
      await quiet(20)
      world.note('order', ['still', client.readyState])
      client.resume()
      await once(client, 'end')
      client.pause()
      client.resume()
      client.end()
      await once(client, 'close')
    },
  },
  'pause() in a data listener': {
    async program(world) {
      let accepted: Socket
      await world.serve({}, socket => void (accepted = socket).write('first'))
      const client = follow(world, world.net.connect(world.path))
      client.once('data', () => {
        client.pause()
        accepted.end('second')
        setTimeout(() => {
          world.note('order', ['resume', client.isPaused()])
          client.resume()
        }, 50)
      })
      await once(client, 'close')
    },
  },
  'destroy() in each event of a connection': {
    async program(world) {
      for (const event of ['connect', 'ready', 'data', 'end', 'finish']) {
        const server = await world.serve({}, socket => socket.on('error', () => {}).end('hello'))
        const client = follow(world, world.net.connect(world.path), `${event}: `)
        client.on(event, () => client.destroy())
        await once(client, 'close')
        await quiet(10)
        server.close()
      }
    },
  },
  "connect() in 'connect'": {
    async program(world) {
      await world.serve({}, socket => flowing(socket.on('error', () => {})))
      const client = follow(world, world.net.connect(world.path))
      client.once('connect', () => {
        client.connect(world.path)
        world.note('order', [client.connecting, client.pending, client.readyState])
      })
      await once(client, 'close')
    },
  },
  'connect() of a connected socket, before an immediate': {
    async program(world) {
      const client = await connected(world)
      client.connect(world.path)
      setImmediate(() => world.note('order', ['immediate']))
      process.nextTick(() => world.note('order', ['tick']))
      await once(client, 'close')
    },
  },
  'a signal that is aborted in the tick of connect()': {
    async program(world) {
      await world.serve({}, socket => flowing(socket.on('error', () => {})))
      const controller = new AbortController()
      const client = follow(
        world,
        world.net.connect({ path: world.path, signal: controller.signal } as object as { path: string }),
      )
      client.write('hello', noting(world, 'written'))
      controller.abort()
      world.note('order', [client.destroyed, client.connecting])
      await once(client, 'close')
      await quiet(10)
    },
  },
  "a signal that is aborted in a tick, in 'connect', and later": {
    async program(world) {
      await world.serve({}, socket => flowing(socket.on('error', () => {})))
      for (const when of ['tick', 'connect', 'later']) {
        const controller = new AbortController()
        const options = { path: world.path, signal: controller.signal } as object as { path: string }
        const client = follow(world, world.net.connect(options), `${when}: `)
        if (when === 'tick') process.nextTick(() => controller.abort())
        else
          client.on('connect', () =>
            when === 'later' ? setTimeout(() => controller.abort(), 5) : controller.abort(),
          )
        await once(client, 'close')
        await quiet(10)
      }
    },
  },
  'setTimeout() while connecting, and destroy() in its event': {
    async program(world) {
      await world.serve({}, socket => flowing(socket.on('error', () => {})))
      const client = follow(world, world.net.connect(world.path))
      client.setTimeout(200, () => client.destroy())
      await once(client, 'close')
    },
  },
}

for (const [title, { program, difference }] of Object.entries(cases))
  compare(`order: ${title}`, program, difference)

compare(
  'order: destroy() in connectionAttempt',
  async world => {
    const server = await world.serve({}, socket => flowing(socket.on('error', () => {})))
    server.on('connection', () => world.note('order', 'connection'))
    const client = follow(world, new world.net.Socket())
    client.on('connectionAttempt', () => client.destroy())
    world.attempt('caller', () => client.connect(world.path) === client)
    await quiet(50)
    world.note('order', [client.connecting, client.pending, client.destroyed])
  },
  {
    reason: 'node:net throws a TypeError of its own code',
    ours: {
      caller: [true],
      order: [
        ['connectionAttempt', '<directory>/s', undefined, undefined],
        ['close', false],
        [false, true, true],
      ],
    },
  },
)

compare(
  'order: a signal that is aborted already',
  async world => {
    const server = await world.serve({}, socket => flowing(socket.on('error', () => {})))
    server.on('connection', () => world.note('order', 'connection'))
    const options = { path: world.path, signal: AbortSignal.abort('enough') } as object as { path: string }
    const client = world.keep(world.net.connect(options))
    for (const event of ['connectionAttempt', 'connect', 'error', 'close'])
      client.on(event, () => world.note('order', event))
    await quiet(50)
    world.note('order', [client.connecting, client.destroyed])
  },
  {
    reason: 'with node:net the socket connects behind its close',
    ours: { order: ['error', 'close', [false, true]] },
  },
)
