import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Server, type Socket } from 'node:net'
import { writeFileSync } from 'node:fs'
import { closed, compare, once, quiet, type World } from './helpers.js'

type Message = { socket?: Socket; server?: Server; options?: unknown; error?: Error }

/** Notes what a channel publishes while `work` runs. */
async function listenTo(world: World, channel: string, work: () => Promise<unknown>): Promise<void> {
  const onMessage: ChannelListener = message => {
    const { socket, server, options, error, ...others } = message as Message
    world.note('channel', [channel, Object.keys(message as Message), Object.keys(others)])
    if (socket !== undefined) world.note('channel', socket instanceof world.net.Socket, socket.connecting)
    if (server !== undefined) world.note('channel', server instanceof world.net.Server, server.listening)
    if (options !== undefined) world.note('channel', options)
    if (error !== undefined) world.note('channel', error)
  }
  subscribe(channel, onMessage)
  try {
    await work()
  } finally {
    unsubscribe(channel, onMessage)
  }
}

compare('net.client.socket reports connect()', world =>
  listenTo(world, 'net.client.socket', async () => {
    const server = world.keep(world.net.createServer())
    server.listen(world.path)
    const client = world.keep(world.net.connect(world.path))
    world.note('caller', 'returned')
    await once(client, 'connect')
  }),
)

compare('net.client.socket: new Socket().connect(), again, and with arguments that are refused', world =>
  listenTo(world, 'net.client.socket', async () => {
    await world.serve({}, accepted => accepted.resume())
    const client = world.keep(new world.net.Socket())
    client.connect(world.path)
    await once(client, 'connect')
    await closed(client.destroy())
    world.note('channel', 'again')
    client.connect(world.path)
    await once(client, 'connect')
    world.note('channel', 'refused')
    world.attempt('caller', () => new world.net.Socket().connect({} as { path: string }).connecting)
  }),
)

compare('net.client.socket reports a connection that fails', world =>
  listenTo(world, 'net.client.socket', () =>
    closed(world.follow('client', world.net.connect({ path: world.path }))),
  ),
)

compare('net.server.socket reports accepted connections, after the listeners', world =>
  listenTo(world, 'net.server.socket', async () => {
    const server = world.keep(world.net.createServer(() => world.note('channel', 'listener')))
    server.listen(world.path)
    world.keep(world.net.connect(world.path))
    await once(server, 'connection')
    world.keep(world.net.connect(world.path))
    await once(server, 'connection')
    await quiet(1)
  }),
)

for (const name of ['asyncStart', 'asyncEnd', 'error'])
  for (const what of ['a path', 'options', 'what stands there', 'nothing usable'] as const)
    compare(`tracing:net.server.listen:${name} reports listen(): ${what}`, world =>
      listenTo(world, `tracing:net.server.listen:${name}`, async () => {
        const server = world.follow('server', world.net.createServer())
        if (what === 'what stands there') writeFileSync(world.path, '')
        world.attempt('caller', () => {
          if (what === 'nothing usable') server.listen({})
          else if (what === 'options') server.listen({ path: world.path, backlog: 5 })
          else server.listen(world.path)
        })
        world.note('channel', 'returned')
        if (what === 'nothing usable') return
        await Promise.race([once(server, 'listening'), once(server, 'error')])
      }),
    )
