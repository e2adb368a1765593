import { type Socket } from 'node:net'
import { closed, compare, type Difference, once, quiet, type World } from './helpers.js'

/** Undocumented, but modules use it. */
type Destroy = (this: Socket, error: Error | null, callback: (error?: Error | null) => void) => Socket

const states: Record<string, (world: World) => Promise<Socket> | Socket> = {
  'that is new': world => new world.net.Socket(),
  'that connects': async world => {
    await world.serve({}, accepted => world.keep(accepted))
    return world.net.connect(world.path)
  },
  'that is about to fail': world => world.net.connect(world.path),
  'that is connected': async world => (await world.pair()).client,
  'that was accepted': async world => (await world.pair()).accepted,
  'that has ended': async world => {
    const { client } = await world.pair({}, { allowHalfOpen: true })
    client.end()
    await once(client, 'finish')
    return client
  },
  'whose peer has ended': async world => {
    const { client, accepted } = await world.pair({ allowHalfOpen: true })
    accepted.end()
    await once(client.resume(), 'end')
    return client
  },
  'that is destroyed': async world => {
    const { client } = await world.pair()
    client.destroy()
    return client
  },
  'that is closed': async world => {
    const { client } = await world.pair()
    client.destroy()
    await closed(client)
    return client
  },
}

const endings: Record<string, (socket: Socket, note: (...values: unknown[]) => void) => unknown> = {
  'destroy()': socket => socket.destroy(),
  'destroy(error)': socket => socket.destroy(new Error('own')),
  'destroy() with a callback': (socket, note) =>
    (socket.destroy as Destroy).call(socket, null, error => note('called back', error)),
  'destroy(error) with a callback': (socket, note) =>
    (socket.destroy as Destroy).call(socket, new Error('own'), error => note('called back', error)),
  'destroy() twice': socket => socket.destroy().destroy(),
  'destroy(error) twice': socket => socket.destroy(new Error('one')).destroy(new Error('two')),
  'destroySoon()': socket => socket.destroySoon(),
  'end() and destroy()': socket => {
    socket.end()
    socket.destroy()
  },
  'resetAndDestroy()': (socket, note) => {
    try {
      note(socket.resetAndDestroy() === socket)
    } catch (error) {
      // In Node's words.
      note('throws', (error as NodeJS.ErrnoException).code)
    }
  },
}

const endsEarly = 'an end waits for its connection; from Node 22 on the socket finishes without'

const early: Record<string, Difference> = {
  'destroySoon() that is new': {
    reason: endsEarly,
    nodes: major => major >= 22,
    ours: { state: [false, 'readOnly', false, true, false, false, 'readOnly', null] },
  },
  'end() and destroy() that is new': {
    reason: endsEarly,
    nodes: major => major >= 22,
    ours: { socket: ['close'], state: [true, 'closed', false, true, true, true, 'closed', null] },
  },
}

for (const [ending, end] of Object.entries(endings))
  for (const [state, make] of Object.entries(states))
    compare(
      `${ending} of a socket ${state}`,
      async world => {
        const socket = world.follow('socket', await make(world), ['finish', 'end', 'error', 'close'])
        end(socket, (...values) => world.note('returned', ...values))
        world.note('state', socket.destroyed, socket.readyState, socket.connecting, socket.pending)
        await quiet()
        world.note('state', socket.destroyed, socket.closed, socket.readyState, socket.errored)
      },
      early[`${ending} ${state}`],
    )

for (const client of [false, true])
  for (const accepted of [false, true])
    compare(
      `allowHalfOpen ${client} of the client, ${accepted} of the server: the client ends first`,
      async world => {
        const both = await world.pair({ allowHalfOpen: client }, { allowHalfOpen: accepted })
        world.follow('client', both.client)
        world.follow('accepted', both.accepted)
        world.collect('client', both.client)
        world.collect('accepted', both.accepted)
        const done = closed(both.client, both.accepted)
        both.client.end('question')
        await once(both.accepted, 'end')
        await quiet(5)
        world.note('state', both.accepted.writable, both.accepted.readyState)
        if (accepted) both.accepted.end('answer')
        await done
      },
    )

for (const client of [false, true])
  compare(`allowHalfOpen ${client} of the client: the server ends first`, async world => {
    const both = await world.pair({ allowHalfOpen: client }, {})
    world.follow('client', both.client)
    world.collect('client', both.client)
    world.collect('accepted', both.accepted)
    const done = closed(both.client, both.accepted)
    both.accepted.end('answer')
    await once(both.client, 'end')
    await quiet(5)
    world.note('state', both.client.writable, both.client.readyState)
    if (client) both.client.end('late')
    await done
    world.note('state', both.client.destroyed, both.accepted.destroyed)
  })

compare('destroy() delivers what was written before', async world => {
  const { client, accepted } = await world.pair()
  world.collect('accepted', accepted)
  client.write('hello')
  client.destroy()
  await closed(accepted)
})

compare('destroy() inside the connect event', async world => {
  await world.serve({}, accepted => world.keep(accepted))
  const client = world.follow('client', world.net.connect(world.path))
  client.on('connect', () => client.destroy())
  await closed(client)
})

compare('destroy() inside the data event', async world => {
  await world.serve({}, accepted => accepted.end('hello'))
  const client = world.follow('client', world.net.connect(world.path))
  client.on('data', chunk => {
    world.note('client', chunk)
    client.destroy()
  })
  await closed(client)
})

compare('destroy(error) inside the end event', async world => {
  await world.serve({}, accepted => accepted.end('hello'))
  const client = world.follow('client', world.net.connect(world.path))
  client.resume().on('end', () => client.destroy(new Error('own')))
  await closed(client)
})

compare('close comes last, after error, with hadError', async world => {
  const { client } = await world.pair()
  world.follow('client', client)
  client.destroy(new Error('own'))
  process.nextTick(() => world.note('client', 'tick'))
  await closed(client)
  world.note('client', client.listenerCount('end'))
})

compare(
  'a socket that is closed with unread input',
  async world => {
    const { client, accepted } = await world.pair({}, { pauseOnConnect: true })
    world.follow('client', client)
    client.write('unread')
    await quiet()
    accepted.destroy()
    await closed(client.resume())
  },
  {
    reason: 'the peer reads a clean end; with node:net it reads ECONNRESET',
    ours: { client: ['end', 'finish', ['close', false]] },
  },
)

compare('await using of a connected socket', async world => {
  const { client } = await world.pair()
  world.follow('client', client)
  await client[Symbol.asyncDispose]()
  world.note('state', client.destroyed)
})

compare('await using of a socket that has ended', async world => {
  const { client, accepted } = await world.pair()
  world.follow('client', client)
  accepted.end()
  await closed(client.resume())
  await client[Symbol.asyncDispose]()
  world.note('state', client.destroyed)
})

compare('a listener that throws does not prevent the close', async world => {
  const { client, accepted } = await world.pair()
  world.follow('client', client)
  client.once('data', () => {
    throw new Error('own')
  })
  await world.catching(() => {
    accepted.end('hello')
    return closed(client)
  })
})

compare('captureRejections of a socket', async world => {
  await world.serve({}, accepted => accepted.end('hello'))
  const client = world.follow(
    'client',
    world.net.connect({ path: world.path, captureRejections: true } as { path: string }),
    ['error', 'close'],
  )
  client.on('data', async () => {
    throw new Error('own')
  })
  await closed(client)
})
