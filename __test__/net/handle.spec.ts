import { type Server } from 'node:net'
import { compare, once, type World } from './helpers.js'

interface Handle {
  ref(): void
  unref(): void
  hasRef(): boolean
}

const handleOf = (server: Server): Handle | null => (server as unknown as { _handle: Handle | null })._handle

function note(world: World, server: Server): void {
  const handle = handleOf(server)
  world.note('handle', handle === null, typeof handle, handle === handleOf(server), handle?.hasRef())
}

compare('a server has a _handle while it listens, and null before and after', async world => {
  const server = world.keep(world.net.createServer())
  note(world, server)
  for (const round of [1, 2]) {
    server.listen(world.path)
    note(world, server)
    await once(server, 'listening')
    server.unref()
    note(world, server)
    server.ref()
    note(world, server)
    handleOf(server)?.unref()
    note(world, server)
    handleOf(server)?.ref()
    note(world, server)
    if (handleOf(server) !== null) server.close(() => world.note('handle', `closed ${round}`))
    note(world, server)
    await once(server, 'close')
  }
})

compare('a server that could not listen has no _handle', async world => {
  const server = world.keep(world.net.createServer())
  server.listen(`${world.path}/none`)
  note(world, server)
  await once(server, 'error')
  note(world, server)
})

compare('blockList is validated, and has no effect on a path', async world => {
  for (const blockList of [undefined, null, 0, '', 5, 'x', {}, [], new world.net.BlockList()])
    world.attempt('server', () => {
      const server = world.net.createServer({ blockList } as object)
      return ['blockList' in server, (server as { blockList?: unknown }).blockList === blockList]
    })
  const blockList = new world.net.BlockList()
  blockList.addSubnet('0.0.0.0', 0)
  const server = await world.serve({ blockList }, accepted => accepted.end('hello'))
  world.collect('client', world.net.connect(world.path))
  await once(server, 'connection')
})
