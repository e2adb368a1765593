import { type Socket } from 'node:net'
import { closed, compare, once, quiet, type World } from './helpers.js'

type Loose = Record<string, unknown>
type Method = (...args: unknown[]) => unknown

const make = ({ net }: World, options: object): Socket => new net.Socket(options)

/** A socket that was never connected, one that is, and one that is closed. */
async function sockets(world: World): Promise<Socket[]> {
  const { client } = await world.pair()
  const other = world.keep(world.net.connect(world.path))
  await once(other, 'connect')
  await closed(other.destroy())
  return [world.keep(make(world, {})), client, other]
}

compare('getTypeOfService() and setTypeOfService() are those of this Node', async world => {
  for (const socket of await sockets(world)) {
    const { getTypeOfService, setTypeOfService } = socket as unknown as Record<string, Method | undefined>
    world.note('methods', typeof getTypeOfService, typeof setTypeOfService)
    if (getTypeOfService === undefined || setTypeOfService === undefined) continue
    world.attempt('initial', () => getTypeOfService.call(socket))
    for (const value of [undefined, null, NaN, '8', 1.5, -1, 256, {}])
      world.attempt('refused', () => setTypeOfService.call(socket, value))
    for (const value of [0, 8, 255]) {
      world.attempt('set', () => setTypeOfService.call(socket, value) === socket)
      world.attempt('got', () => getTypeOfService.call(socket))
    }
  }
})

compare('new Socket({ typeOfService }) validates it as this Node does', world => {
  for (const typeOfService of [undefined, null, '8', 1.5, -1, 256, 8])
    world.attempt('made', () => {
      const socket = world.keep(make(world, { typeOfService })) as unknown as Record<string, Method>
      return socket['getTypeOfService']?.()
    })
})

compare('new Socket({ blockList }) validates it as this Node does', world => {
  const blockList = new world.net.BlockList()
  for (const given of [undefined, null, 0, '', 5, 'x', {}, blockList])
    world.attempt('made', () => {
      const socket = world.keep(make(world, { blockList: given })) as unknown as Loose
      return ['blockList' in socket, socket['blockList'] === given]
    })
})

compare('new Socket({ signal }): what is falsy is none', world => {
  for (const signal of [undefined, null, 0, '', false, 5, 'x', {}, new AbortController()])
    world.attempt('made', () => world.keep(make(world, { signal })).destroyed)
})

compare('new Socket({ defaultEncoding }) is the encoding of text without one', async world => {
  const received: string[] = []
  await world.serve({}, accepted => accepted.on('data', data => received.push(data.toString('hex'))))
  for (const defaultEncoding of ['hex', 'latin1', 'base64', 'utf16le']) {
    const client = world.keep(world.net.connect({ path: world.path, defaultEncoding } as never))
    client.write('6162')
    client.end('6364')
    await closed(client)
  }
  const client = world.keep(world.net.connect({ path: world.path, defaultEncoding: 'hex' } as never))
  await once(client, 'connect')
  await quiet(5)
  for (let index = 0; index < 3; index++) client.write('6162')
  client.setDefaultEncoding('latin1')
  client.end('62')
  await closed(client)
  await quiet(10)
  world.note('received', received.join(''))
})

compare('a socket without a port has no family and no address', async world => {
  for (const socket of await sockets(world))
    for (const name of [
      'localAddress',
      'localPort',
      'localFamily',
      'remoteAddress',
      'remotePort',
      'remoteFamily',
    ])
      world.note('members', name in socket, (socket as unknown as Loose)[name])
})

compare('_connecting equals connecting', async world => {
  await world.serve()
  const client = world.keep(world.net.connect(world.path))
  const note = (): void =>
    world.note('connecting', client.connecting, (client as unknown as Loose)['_connecting'])
  note()
  await once(client, 'connect')
  note()
  await closed(client.destroy())
  note()
})

/** Names that node:net's sockets do not have, or have as plain properties. */
const assignable = ['peer', 'timeout', 'connecting', 'remotePath', 'localPath', 'name', 'closeRead']

for (const name of assignable)
  compare(`a socket's ${name} can be assigned, and the socket works on`, async world => {
    const { client, accepted } = await world.pair()
    for (const socket of [client, accepted, world.keep(make(world, {}))])
      world.attempt('assigned', () => ((socket as unknown as Loose)[name] = 5))
    world.note('value', (client as unknown as Loose)[name])
    for (const socket of [client, accepted]) (socket as unknown as Loose)[name] = undefined
    accepted.on('data', data => accepted.end(`${data}!`))
    world.collect('client', client)
    client.write('hello')
    await closed(client)
  })

compare('what was assigned to timeout and connecting holds until the socket sets them', async world => {
  await world.serve()
  const client = world.keep(world.net.connect(world.path)) as Socket & {
    timeout?: number
    connecting: boolean
  }
  const note = (): void => world.note('members', client.timeout, client.connecting)
  client.timeout = 5
  client.connecting = false
  note()
  client.connecting = true
  client.setTimeout(1000)
  note()
  await once(client, 'connect')
  note()
  client.timeout = 7
  client.connecting = true
  note()
  client.setTimeout(0)
  note()
  await closed(client.destroy())
  note()
})
