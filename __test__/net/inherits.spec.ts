import { type Server, type Socket } from 'node:net'
import { inherits } from 'node:util'
import { closed, compare, type Net, once, type World } from './helpers.js'

type Function = (this: unknown, ...args: unknown[]) => unknown
type Class = new (...args: unknown[]) => Server & { greeting: string }

/** A server as functions derived it before there were classes. */
function greeterOf({ Server }: Net): Class {
  function Greeter(this: unknown, ...args: unknown[]): unknown {
    if (!(this instanceof Greeter)) return new (Greeter as unknown as Class)(...args)
    const self = this as InstanceType<Class>
    ;(Server as unknown as Function).call(self, ...args, (socket: Socket) => socket.end(self.greeting))
    self.greeting = 'hello'
    return undefined
  }
  inherits(Greeter as unknown as Class, Server)
  return Greeter as unknown as Class
}

async function greet(world: World, server: Server): Promise<void> {
  server.listen(world.path)
  await once(server, 'listening')
  const client = world.collect('client', world.net.connect(world.path))
  await closed(client)
  world.note('server', server.listening, server.address())
  await closed(server.close())
  world.note('server', server.listening)
}

const forms: Record<string, (greeter: Class) => Server> = {
  'with new': Greeter => new Greeter({ allowHalfOpen: true }),
  'without new': Greeter => (Greeter as unknown as () => Server)(),
  'from a class': Greeter =>
    new (class extends Greeter {
      own = 'own'
    })(),
}

for (const [title, make] of Object.entries(forms))
  compare(`a server derives by Server.call(this): ${title}`, async world => {
    const Greeter = greeterOf(world.net)
    const server = world.follow('server', make(Greeter))
    world.note('is', server instanceof Greeter, server instanceof world.net.Server)
    world.note('is', (server as unknown as { allowHalfOpen: boolean }).allowHalfOpen, server.listening)
    await greet(world, server)
    await greet(world, server)
  })

compare(
  'Server.call(this) refuses options that are none, and of two servers each has its own state',
  world => {
    const Greeter = greeterOf(world.net)
    for (const options of [5, 'x', true]) world.attempt('options', () => new Greeter(options).listening)
    const [first, second] = [new Greeter(), new Greeter()]
    world.keep(first).listen(world.path)
    world.note('listening', first.listening, second.listening)
  },
)

compare('methods of a server refuse what is none', world => {
  const { listen } = world.net.Server.prototype as unknown as { listen: Function }
  world.attempt('caller', () => {
    try {
      return listen.call({}, world.path)
    } catch (error) {
      return (error as Error).name
    }
  })
})

type Client = Socket & { greeting: string }

/** A socket that a function derives. */
function clientOf({ Socket }: Net): new (options?: object) => Client {
  function Greeted(this: Client, options?: object): void {
    ;(Socket as unknown as Function).call(this, options)
    this.greeting = 'hello'
  }
  inherits(Greeted as unknown as new () => Client, Socket)
  return Greeted as unknown as new (options?: object) => Client
}

for (const title of ['from a function', 'from a class that derives from a function'])
  compare(`a socket derives by Socket.call(this): ${title}`, async world => {
    const Greeted = clientOf(world.net)
    const Type = title === 'from a function' ? Greeted : class extends Greeted {}
    await world.serve({}, accepted => accepted.on('data', data => accepted.end(`${data}!`)))
    const client = world.follow('client', new Type({ allowHalfOpen: true }))
    world.note('is', client instanceof Greeted, client instanceof world.net.Socket, client.allowHalfOpen)
    world.note('is', client.connecting, client.pending, client.destroyed, client.readyState)
    client.connect(world.path)
    client.write(client.greeting)
    world.collect('data', client)
    await once(client, 'end')
    client.end()
    await closed(client)
    world.note('is', client.bytesRead, client.bytesWritten, client.destroyed)
    client.connect(world.path)
    await once(client, 'connect')
    await closed(client.destroy())
  })

compare('Socket.call(this) refuses options that are none, and each socket has its own state', async world => {
  const Greeted = clientOf(world.net)
  for (const options of [{ signal: 5 }, { objectMode: true }])
    world.attempt('options', () => new Greeted(options).greeting)
  await world.serve({}, accepted => accepted.resume())
  const [first, second] = [world.keep(new Greeted()), world.keep(new Greeted())]
  first.connect(world.path)
  world.note('connecting', first.connecting, second.connecting)
  await once(first, 'connect')
  world.note('pending', first.pending, second.pending)
})
