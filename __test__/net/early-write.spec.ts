/** Writes before the connection: when they leave, and what becomes of them if the socket is destroyed. */
import { type Socket } from 'node:net'
import { closed, compare, quiet, type World } from './helpers.js'

const writes: Record<string, (socket: Socket, world: World) => void> = {
  'two writes': (socket, world) => {
    socket.write('one', error => world.note('client', ['first', error]))
    socket.write('two', error => world.note('client', ['second', error]))
  },
  'corked writes': (socket, world) => {
    socket.cork()
    socket.write('one', error => world.note('client', ['first', error]))
    socket.write('two', error => world.note('client', ['second', error]))
    socket.uncork()
  },
  'a write of 100 kB': (socket, world) => {
    socket.write(Buffer.alloc(100_000, 'x'), error => world.note('client', ['first', error]))
  },
  'an empty write': (socket, world) => {
    socket.write('', error => world.note('client', ['first', error]))
  },
  'end(data)': (socket, world) => {
    socket.end('one', (error?: Error) => world.note('client', ['ended', error]))
  },
}

type Listen = (socket: Socket, work: () => void) => unknown
const listens: Record<string, Listen> = {
  'a listener that destroys the socket': (socket, work) =>
    socket.on('connect', () => (work(), socket.destroy())),
  'a listener that destroys the socket with an error': (socket, work) =>
    socket.on('connect', () => (work(), socket.destroy(new Error('wrong peer')))),
  'a listener that writes': (socket, work) => socket.on('connect', () => (work(), socket.write('later'))),
  'a listener that ends': (socket, work) => socket.on('connect', () => (work(), socket.end())),
}

for (const [written, write] of Object.entries(writes))
  for (const [listened, listen] of Object.entries(listens))
    for (const order of ['before', 'after'] as const) {
      if (written === 'end(data)' && listened === 'a listener that writes') continue
      compare(`${listened} on 'connect' that was added ${order} ${written}`, async world => {
        const server = await world.serve({}, socket => void world.collect('accepted', socket))
        const acceptedIsClosed = new Promise(resolve => {
          server.on('connection', (socket: Socket) => socket.on('close', resolve))
        })
        const client = world.follow('client', world.net.connect(world.path))
        const add = (): unknown =>
          listen(client, () => world.note('client', client.bytesWritten, client.writableLength))
        if (order === 'before') add()
        write(client, world)
        if (order === 'after') add()
        const ends = Promise.all([closed(client), acceptedIsClosed])
        if (listened === 'a listener that writes') {
          await quiet()
          client.end()
        }
        await ends
        world.note('client', client.bytesWritten)
      })
    }

for (const [written, write] of Object.entries(writes))
  compare(`${written} on a socket that is destroyed while it connects`, async world => {
    await world.serve()
    const client = world.follow('client', world.net.connect(world.path))
    write(client, world)
    client.destroy()
    await closed(client)
    await quiet()
  })

for (const [written, write] of Object.entries(writes))
  compare(`${written} on a socket whose connection fails`, async world => {
    const client = world.follow('client', world.net.connect(world.path))
    write(client, world)
    await closed(client)
    await quiet()
    world.note('client', client.bytesWritten)
  })
