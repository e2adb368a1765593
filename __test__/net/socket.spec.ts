import { type Socket } from 'node:net'
import { Duplex, Readable, Writable } from 'node:stream'
import { closed, compare, type Net, once, quiet } from './helpers.js'

const properties = [
  'connecting',
  'pending',
  'readyState',
  'destroyed',
  'closed',
  'readable',
  'writable',
  'readableEnded',
  'writableEnded',
  'writableFinished',
  'readableFlowing',
  'readableHighWaterMark',
  'writableHighWaterMark',
  'readableLength',
  'writableLength',
  'writableNeedDrain',
  'readableObjectMode',
  'writableObjectMode',
  'bytesRead',
  'bytesWritten',
  'bufferSize',
  'timeout',
  'allowHalfOpen',
  'errored',
  'autoSelectFamilyAttemptedAddresses',
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
] as const

for (const property of properties)
  compare(`socket.${property} in all the states of a client and of an accepted socket`, async world => {
    const note = (state: string, socket: Socket): void => world.note(state, (socket as never)[property])
    note('made', world.keep(new world.net.Socket()))
    const { client, accepted } = await world.pair({}, { allowHalfOpen: true })
    note('connected', client)
    note('accepted', accepted)
    client.write('hello')
    await once(accepted, 'readable')
    accepted.read()
    note('has read', accepted)
    client.end()
    note('ending', client)
    await once(accepted.resume(), 'end')
    note('ended by the peer', accepted)
    accepted.end('bye')
    await closed(client.resume(), accepted)
    note('closed', client)
    note('accepted, closed', accepted)
    const failing = world.keep(world.net.connect(`${world.path}-none`)).on('error', () => {})
    note('connecting', failing)
    failing.write('hello')
    note('writing while connecting', failing)
    await closed(failing)
    note('failed', failing)
    const other = world.keep(world.net.connect(world.path))
    await once(other, 'connect')
    other.destroy()
    note('destroyed', other)
  })

const chained = [
  'setTimeout',
  'setNoDelay',
  'setKeepAlive',
  'ref',
  'unref',
  'pause',
  'resume',
  'setEncoding',
  'end',
  'destroy',
] as const

for (const method of chained)
  compare(`socket.${method}() returns the socket, in every state`, async world => {
    const { client } = await world.pair()
    const made = world.keep(new world.net.Socket())
    const connecting = world.keep(world.net.connect(world.path))
    for (const socket of [client, made, connecting]) {
      world.attempt(
        'returned',
        () =>
          (socket[method] as (...args: unknown[]) => unknown)(...(method === 'setTimeout' ? [0] : [])) ===
          socket,
      )
      socket.on('error', () => {}).destroy()
      await closed(socket)
      world.attempt(
        'returned',
        () =>
          (socket[method] as (...args: unknown[]) => unknown)(...(method === 'setTimeout' ? [0] : [])) ===
          socket,
      )
    }
  })

for (const [title, args] of Object.entries({
  nothing: [],
  text: ['5'],
  'a negative number': [-1],
  NaN: [NaN],
  Infinity: [Infinity],
  null: [null],
  'a callback that is none': [10, 5],
  'a callback that is null': [10, null],
  '0 and a callback that is none': [0, 'x'],
}))
  compare(`setTimeout(): ${title} is refused`, world => {
    const socket = world.keep(new world.net.Socket())
    world.attempt(
      'caller',
      () => (socket.setTimeout as (...all: unknown[]) => unknown).apply(socket, args) === socket,
    )
  })

compare('setTimeout() reports each silence once', async world => {
  const { client, accepted } = await world.pair()
  world.follow('client', client)
  client.setTimeout(30, () => world.note('client', 'callback'))
  await once(client, 'timeout')
  await quiet(60)
  accepted.write('hello')
  await once(client.resume(), 'timeout')
  world.note('state', client.timeout, client.destroyed)
})

compare('setTimeout(0) ends it, and takes the callback back', async world => {
  const { client } = await world.pair()
  world.follow('client', client)
  const callback = (): void => world.note('client', 'callback')
  client.setTimeout(20, callback).setTimeout(0, callback)
  await quiet(60)
  world.note('state', client.timeout, client.listenerCount('timeout'))
})

compare('setTimeout() before connect()', async world => {
  await world.serve({}, accepted => world.keep(accepted))
  const client = world.follow('client', new world.net.Socket())
  client.setTimeout(30)
  client.connect(world.path)
  await once(client, 'timeout')
  world.note('state', client.readyState)
})

compare('setTimeout() of a destroyed socket does nothing', async world => {
  const { client } = await world.pair()
  client.destroy()
  world.follow('client', client)
  client.setTimeout(5, () => world.note('client', 'callback'))
  await quiet(30)
  world.note('state', client.timeout)
})

const constructorOptions: Record<string, object> = {
  objectMode: { objectMode: true },
  readableObjectMode: { readableObjectMode: true },
  writableObjectMode: { writableObjectMode: true },
  'keepAliveInitialDelay that is text': { keepAliveInitialDelay: '1' },
  'keepAliveInitialDelay below 0': { keepAliveInitialDelay: -1 },
  'noDelay and keepAlive': { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 },
  allowHalfOpen: { allowHalfOpen: true },
  'allowHalfOpen that is text': { allowHalfOpen: 'yes' },
  highWaterMark: { highWaterMark: 7 },
  'highWaterMark below 0': { highWaterMark: -1 },
  'highWaterMark that is text': { highWaterMark: 'x' },
  readableHighWaterMark: { readableHighWaterMark: 7 },
  writableHighWaterMark: { writableHighWaterMark: 7 },
  readable: { readable: false },
  writable: { writable: false },
  encoding: { encoding: 'hex' },
  emitClose: { emitClose: false },
  'signal that is none': { signal: 5 },
  'an invalid onread': { onread: { buffer: 5, callback: 5 } },
  nothing: {},
  null: null as unknown as object,
}

for (const [title, options] of Object.entries(constructorOptions))
  compare(`new Socket(): ${title}`, async world => {
    world.attempt('caller', () => {
      const socket = world.follow('socket', new world.net.Socket(options))
      const {
        allowHalfOpen,
        readable,
        writable,
        readableHighWaterMark,
        writableHighWaterMark,
        readableEncoding,
      } = socket
      return [
        allowHalfOpen,
        readable,
        writable,
        readableHighWaterMark,
        writableHighWaterMark,
        readableEncoding,
      ]
    })
    await quiet(1)
  })

compare('new Socket() of a descriptor that is no number', world => {
  for (const fd of ['3', -1, {}])
    world.attempt('caller', () => world.keep(new world.net.Socket({ fd } as never)).connecting)
})

compare('a socket is a stream', world => {
  const made = world.keep(new world.net.Socket())
  const bare = world.keep((world.net.Socket as unknown as () => Socket)())
  for (const socket of [made, bare]) {
    world.note('is', socket instanceof Duplex, socket instanceof Readable, socket instanceof Writable)
    world.note('is', socket instanceof world.net.Socket, socket.constructor === world.net.Socket)
  }
  world.note('is', world.net.Socket.name, world.net.Server.name)
})

compare('a class that is derived from Socket', async world => {
  class Own extends world.net.Socket {
    override emit(event: string, ...args: unknown[]): boolean {
      if (event === 'connect') world.note('own', args.length)
      return super.emit(event, ...args)
    }
  }
  await world.serve({}, accepted => accepted.end('hello'))
  const own = world.follow('own', new Own({ allowHalfOpen: true }))
  world.note('own', own instanceof Own, own instanceof world.net.Socket, own.allowHalfOpen)
  own.connect(world.path)
  await once(own.resume(), 'end')
})

compare('a function that initialises itself as a Socket', world => {
  function Own(this: Socket): void {
    ;(world.net.Socket as unknown as (this: Socket) => void).call(this)
  }
  Object.setPrototypeOf(Own.prototype, world.net.Socket.prototype)
  world.attempt('own', () => {
    const own = new (Own as unknown as new () => Socket)()
    return own.connecting
  })
})

compare('address() of sockets', async world => {
  const { client, accepted } = await world.pair()
  world.note('address', new world.net.Socket().address(), client.address(), accepted.address())
  client.destroy()
  world.note('address', client.address())
})

const abortion = { code: 'ABORT_ERR', message: 'The operation was aborted', name: 'AbortError' }
const staysDestroyed = {
  reason: 'with node:net the socket is destroyed no more, and connects behind its close',
  ours: {
    client: [['error', abortion], 'close'],
    state: [true, abortion],
  },
}

for (const [title, give] of Object.entries({
  'the constructor': (net: Net, path: string, signal: AbortSignal) =>
    new net.Socket({ signal }).connect(path),
  'connect()': (net: Net, path: string, signal: AbortSignal) =>
    net.connect({ path, signal } as { path: string }),
}))
  for (const when of ['before connect', 'while connecting', 'when connected'] as const)
    compare(
      `a signal given to ${title} is aborted ${when}`,
      async world => {
        await world.serve({}, accepted => world.keep(accepted))
        const controller = new AbortController()
        if (when === 'before connect') controller.abort()
        const client = world.follow('client', give(world.net, world.path, controller.signal), [
          'error',
          'close',
        ])
        if (when === 'while connecting') controller.abort()
        if (when === 'when connected') {
          await once(client, 'connect')
          controller.abort()
        }
        await closed(client)
        world.note('state', client.destroyed, client.errored)
      },
      when === 'before connect' ? staysDestroyed : undefined,
    )
