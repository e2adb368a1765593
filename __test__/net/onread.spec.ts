import { EventEmitter } from 'node:events'
import { type Socket } from 'node:net'
import { closed, compare, once, quiet, type World } from './helpers.js'

interface Notes {
  size?: number
  /** Whether the memory is asked for. */
  asked?: boolean
  answer?: (calls: number) => boolean | void
}

/** `onread` that notes its calls. */
function onread(world: World, { size = 8, asked = false, answer }: Notes = {}): object {
  const memory = Buffer.alloc(size)
  let calls = 0
  const buffer = (): Buffer => {
    world.note('onread', 'asked')
    return memory
  }
  return {
    buffer: asked ? buffer : memory,
    callback(this: unknown, length: number, bytes: Buffer) {
      const owner = this instanceof world.net.Socket ? 'the socket' : typeof this
      world.note('onread', bytes.toString('latin1', 0, length), owner, bytes === memory)
      return answer?.(++calls)
    },
  }
}

const connect = (world: World, options: object): Socket =>
  world.keep(world.net.connect({ path: world.path, ...options } as { path: string }))

const later = (work: (socket: Socket) => void) => (socket: Socket) => void setTimeout(work, 20, socket)

compare('onread: `this` in the callback is the socket', async world => {
  await world.serve({}, accepted => accepted.end('hello world, how are you'))
  const client = world.follow('client', connect(world, { onread: onread(world) }))
  await closed(client)
  world.note('read', client.bytesRead)
})

compare('onread: the buffer is asked for when connect() is called, and behind each callback', async world => {
  let accepted: Socket
  await world.serve({}, socket => void (accepted = socket).write('hello'))
  const answer = (calls: number): void => void (calls % 2 === 1 && accepted.end('world'))
  const client = world.keep(
    new world.net.Socket({ onread: onread(world, { asked: true, answer }) } as object),
  )
  world.note('onread', 'made')
  client.connect(world.path)
  world.note('onread', 'called')
  await once(client, 'connect')
  world.note('onread', 'connected')
  await closed(client)
  world.note('onread', 'again')
  client.connect(world.path)
  await closed(client)
})

compare('onread: the buffer is asked for though the connection fails', async world => {
  const client = world.follow('client', connect(world, { onread: onread(world, { asked: true }) }))
  await closed(client)
})

compare('onread: a socket that is never connected asks for nothing', async world => {
  world.keep(new world.net.Socket({ onread: onread(world, { asked: true }) } as object))
  await quiet(10)
  world.note('onread', 'never')
})

for (const method of ['read', 'resume'] as const)
  compare(`onread: ${method}() goes on after the callback's false`, async world => {
    await world.serve({}, accepted => accepted.end('hello world, how are you'))
    const first = new EventEmitter()
    const answer = (calls: number): boolean => {
      first.emit('called')
      return calls !== 1
    }
    const client = connect(world, { onread: onread(world, { answer }) })
    client.on('end', () => world.note('onread', 'end'))
    await once(first, 'called')
    await quiet(5)
    world.note('onread', method)
    world.attempt('returned', () => client[method]() === (method === 'read' ? null : client))
    await closed(client)
  })

for (const size of [undefined, 0])
  compare(`onread: read(${size ?? ''}) goes on after pause()`, async world => {
    await world.serve(
      {},
      later(accepted => accepted.end('hello')),
    )
    const client = connect(world, { onread: onread(world) })
    await once(client, 'connect')
    client.pause()
    await quiet(60)
    world.note('onread', 'read')
    client.read(size)
    await quiet(60)
    world.note('onread', client.isPaused())
  })

compare('onread: pause() and resume() in the callback', async world => {
  await world.serve({}, accepted => {
    accepted.write('12345678')
    accepted.write('abcdefgh')
    setTimeout(() => accepted.end(), 30)
  })
  const client = connect(world, {
    onread: {
      buffer: Buffer.alloc(8),
      callback(this: Socket, length: number, buffer: Buffer) {
        world.note('onread', buffer.toString('latin1', 0, length))
        this.pause()
        setTimeout(() => {
          world.note('onread', 'resume')
          this.resume()
        }, 10)
      },
    },
  })
  await closed(client)
})

compare('onread: pause() before the connection', async world => {
  await world.serve({}, accepted => accepted.end('hello'))
  const client = connect(world, { onread: onread(world) })
  client.pause()
  await quiet(60)
  world.note('onread', 'resume')
  client.resume()
  await closed(client)
})

compare('onread: destroy() in the callback', async world => {
  await world.serve({}, accepted => accepted.on('error', () => {}).write('12345678abcdefgh'))
  const client: Socket = connect(world, {
    onread: {
      buffer: Buffer.alloc(8),
      callback: (length: number) => {
        world.note('onread', length)
        client.destroy()
      },
    },
  })
  await closed(client)
})
