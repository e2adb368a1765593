import { create, type Domain } from 'node:domain'
import { type Socket } from 'node:net'
import test from 'ava'
import { compare, once, quiet, type World } from './helpers.js'
import { isNode } from '../helpers/runtimes.js'

const compareOnNode: typeof compare = isNode ? compare : title => test.skip(title, () => {})

type WithDomain = typeof process & { domain?: Domain | null }

/** Runs `work` in a domain, and waits for the domain's error. */
async function inDomain(world: World, work: (domain: Domain) => unknown): Promise<void> {
  const domain = create()
  const failed = new Promise<void>(resolve => {
    domain.on('error', error => {
      world.note('domain', error.message)
      resolve()
    })
  })
  domain.run(work, domain)
  await failed
}

const thrower = (message: string) => (): never => {
  throw new Error(message)
}

const programs: Record<string, (world: World, domain: Domain) => unknown> = {
  "in 'data'": (world, domain) => {
    world.keep(world.net.connect(world.path)).on('data', () => {
      world.note('domain', (process as WithDomain).domain === domain)
      throw new Error('in data')
    })
  },
  'in the callback of connect()': world => world.keep(world.net.connect(world.path, thrower('connected'))),
  'in the callback of setTimeout()': world =>
    world.keep(world.net.connect(world.path)).setTimeout(10, thrower('timeout')),
  "in 'close'": world => {
    const client = world.keep(world.net.connect(world.path)).on('close', thrower('close'))
    client.on('connect', () => client.destroy())
  },
  'in an immediate behind a promise': (world, domain) => {
    world.keep(world.net.connect(world.path)).once('data', async () => {
      await Promise.resolve()
      setImmediate(() => {
        world.note('domain', (process as WithDomain).domain === domain)
        throw new Error('later')
      })
    })
  },
  'of connect() itself': world => world.keep(world.net.connect(`${world.path}-none`)),
  'of connect() of a socket made in it': world =>
    world.keep(new world.net.Socket()).connect(`${world.path}-none`),
  'of listen()': world => world.keep(world.net.createServer()).listen(`${world.path}/none`),
}

for (const [title, program] of Object.entries(programs))
  compareOnNode(`a domain gets what fails in it: ${title}`, async world => {
    await world.serve({}, accepted => accepted.on('error', () => {}).write('hello'))
    await inDomain(world, domain => void program(world, domain))
  })

for (const event of ['connection', 'data'])
  compareOnNode(`a domain gets what fails in '${event}' of a server made in it`, async world => {
    await inDomain(world, () => {
      const server = world.keep(world.net.createServer())
      server.on('connection', (accepted: Socket) => {
        world.keep(accepted).on('data', thrower('data'))
        if (event === 'connection') throw new Error('connection')
      })
      server.listen(world.path, () => {
        world.keep(world.net.connect(world.path)).write('hello')
      })
    })
  })

compareOnNode('a domain gets what fails in callbacks and of sockets that it was given', async world => {
  await world.serve({}, accepted => accepted.on('error', () => {}).on('data', data => accepted.write(data)))
  const client = world.keep(world.net.connect(world.path))
  await once(client, 'connect')
  await inDomain(world, () => client.write('hello', thrower('written')))
  await inDomain(world, domain => {
    domain.add(client)
    client.on('data', thrower('data')).write('hello')
  })
  await quiet(5)
})
