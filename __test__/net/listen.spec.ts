import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { type Server } from 'node:net'
import { join } from 'node:path'
import { closed, compare, once, quiet, type World } from './helpers.js'

type Loose = (...args: unknown[]) => Server
type Form = (server: Server, path: string, callback: () => void) => unknown

const forms: Record<string, Form> = {
  'listen(path)': (server, path) => server.listen(path),
  'listen(path, callback)': (server, path, callback) => server.listen(path, callback),
  'listen(path, backlog)': (server, path) => server.listen(path, 5),
  'listen(path, backlog, callback)': (server, path, callback) => server.listen(path, 5, callback),
  'listen({ path })': (server, path) => server.listen({ path }),
  'listen({ path }, callback)': (server, path, callback) => server.listen({ path }, callback),
  'listen({ path, backlog })': (server, path) => server.listen({ path, backlog: 1 }),
  'listen({ path, exclusive })': (server, path) => server.listen({ path, exclusive: true }),
  'listen({ path, port: undefined })': (server, path) => server.listen({ path, host: 'ignored' }),
}

const targets: Record<string, (world: World) => Promise<string> | string> = {
  nothing: world => world.path,
  'a directory that is missing': world => join(world.directory, 'none', 's'),
  'a file': world => {
    writeFileSync(world.path, '')
    return world.path
  },
  'a directory': world => {
    mkdirSync(world.path)
    return world.path
  },
  'a server': async world => {
    await world.serve()
    return world.path
  },
  'a file on the way': world => {
    writeFileSync(join(world.directory, 'f'), '')
    return join(world.directory, 'f', 's')
  },
}

for (const [form, listen] of Object.entries(forms))
  for (const [target, prepare] of Object.entries(targets))
    compare(`${form}: ${target}`, async world => {
      const path = await prepare(world)
      const server = world.follow('server', new world.net.Server())
      world.note('state', server.listening, server.address())
      const returned = listen(server, path, () => world.note('server', 'callback'))
      world.note('state', returned === server, server.listening, server.address(), existsSync(path))
      await Promise.race([once(server, 'listening'), once(server, 'error')])
      world.note('state', server.listening, server.address())
      server.close(error => world.note('server', ['closed', error]))
      world.note('state', server.listening, server.address(), existsSync(path))
      await closed(server)
    })

const useless: Record<string, unknown[]> = {
  'options without a path': [{}],
  'a path that is undefined': [{ path: undefined }],
  'a path that is null': [{ path: null }],
  'a path that is a number': [{ path: 5 }],
  'a path that is a buffer': [{ path: Buffer.from('a') }],
  'a path that is an object': [{ path: {} }],
  'an empty path': [{ path: '' }],
  true: [true],
  'an empty text': [''],
  'a port that is NaN': [NaN],
  'a port below 0': [-1],
  'a port above 65535': [70_000],
  'options with an empty port': [{ port: '' }],
  'options with a port below 0': [{ port: -1, path: '/none/s' }],
  'options with a port that is an object': [{ port: {} }],
  'a descriptor below 0': [{ fd: -1 }],
  'a descriptor that is text': [{ fd: '3' }],
  'a signal that is none': [{ path: '/none/s', signal: {} }],
  'a signal that is text': [{ path: '/none/s', signal: 'x' }],
  'readableAll of an abstract name': [{ path: '\0x', readableAll: true }],
  'writableAll of an abstract name': [{ path: '\0x', writableAll: true }],
}

for (const [title, args] of Object.entries(useless))
  compare(`listen(): ${title} is refused`, world => {
    const server = world.follow('server', world.net.createServer())
    world.attempt('caller', () => (server.listen as Loose).apply(server, args))
    world.note('caller', server.listening)
  })

compare('listen() of a server that listens is refused', async world => {
  const server = await world.serve({}, undefined, 'server')
  world.attempt('caller', () => server.listen(world.path))
  world.attempt('caller', () => server.listen({}))
  world.note('caller', server.listening)
})

compare(
  'a port is refused',
  world => {
    for (const args of [[], [0], [8080], ['8080'], [{ port: 0 }], [{ port: null }], [() => {}]])
      world.attempt('caller', () => {
        const server = world.keep(world.net.createServer())
        return (server.listen as Loose).apply(server, args).listening
      })
  },
  {
    reason: 'it serves paths only',
    ours: {
      caller: Array.from({ length: 7 }, () => [
        'throws',
        { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' },
      ]),
    },
  },
)

compare('listen() again after a failure', async world => {
  const first = await world.serve()
  const server = world.follow('server', world.net.createServer())
  server.listen(world.path)
  await once(server, 'error')
  first.close()
  server.listen(world.path, () => world.note('server', 'callback'))
  await once(server, 'listening')
  world.note('state', server.listening, server.address())
})

compare('listen() again in the tick of close()', async world => {
  const server = await world.serve({}, accepted => accepted.end('hello'), 'server')
  server.close()
  world.note('state', server.listening, existsSync(world.path))
  server.listen(world.path)
  world.note('state', server.listening, existsSync(world.path))
  const client = world.keep(world.net.connect(world.path))
  world.collect('client', client)
  await closed(client)
})

compare('listen() again on another path', async world => {
  const server = await world.serve({}, undefined, 'server')
  server.close()
  await closed(server)
  server.listen(`${world.path}2`)
  await once(server, 'listening')
  world.note('state', server.address(), existsSync(world.path))
})

const added = { readableAll: 0o444, writableAll: 0o222, both: 0o666 }

for (const [bits, wanted] of [
  ['readableAll', { readableAll: true }],
  ['writableAll', { writableAll: true }],
  ['both', { readableAll: true, writableAll: true }],
  ['neither', { readableAll: false, writableAll: 1 as unknown as boolean }],
] as const)
  for (const umask of [0o022, 0o077, 0o777])
    compare(
      `the mode of the file with ${bits} under the umask ${umask.toString(8)}`,
      async world => {
        const before = process.umask(umask)
        try {
          const server = world.follow('server', world.net.createServer())
          server.listen({ path: world.path, ...wanted })
          await once(server, 'listening')
          world.note('mode', (statSync(world.path).mode & 0o777).toString(8))
        } finally {
          process.umask(before)
        }
      },
      bits === 'neither' || umask === 0o777
        ? undefined
        : {
            reason: 'they widen what the umask leaves, as on Node 20; from Node 22 on they replace it',
            nodes: major => major >= 22,
            ours: { server: ['listening'], mode: [((0o777 & ~umask) | added[bits]).toString(8)] },
          },
    )

compare('the file can be changed in the tick of listen()', async world => {
  const server = world.follow('server', world.net.createServer())
  server.listen(world.path)
  chmodSync(world.path, 0o600)
  await once(server, 'listening')
  world.note('mode', (statSync(world.path).mode & 0o777).toString(8))
})

compare('close() before listening', async world => {
  const server = world.follow('server', world.net.createServer())
  server.listen(world.path)
  server.close(error => world.note('server', ['closed', error]))
  await closed(server)
  await quiet(5)
})

compare(
  'the file is another server’s by the time of close()',
  async world => {
    const server = await world.serve()
    renameSync(world.path, `${world.path}2`)
    const other = world.keep(world.net.createServer())
    other.listen(world.path)
    await once(other, 'listening')
    server.close()
    await closed(server)
    world.note('file', existsSync(world.path), existsSync(`${world.path}2`))
  },
  { reason: 'close() removes the file only if it is still its own', ours: { file: [true, true] } },
)

compare(
  'something else stands at the path by the time of close()',
  async world => {
    const server = await world.serve()
    renameSync(world.path, `${world.path}2`)
    writeFileSync(world.path, 'precious')
    server.close()
    await closed(server)
    world.note('file', existsSync(world.path) && readFileSync(world.path, 'utf8'))
  },
  { reason: 'close() removes the file only if it is still its own', ours: { file: ['precious'] } },
)

for (const when of ['before', 'after', 'in the tick'] as const)
  compare(`a signal that is aborted ${when}`, async world => {
    const controller = new AbortController()
    if (when === 'before') controller.abort()
    const server = world.follow('server', world.net.createServer())
    server.listen({ path: world.path, signal: controller.signal })
    if (when === 'in the tick') controller.abort()
    if (when === 'after') {
      await once(server, 'listening')
      controller.abort()
    }
    await closed(server)
    world.note('state', server.listening, existsSync(world.path))
  })

compare('a signal that is aborted after close() does nothing', async world => {
  const controller = new AbortController()
  const server = world.follow('server', world.net.createServer())
  server.listen({ path: world.path, signal: controller.signal })
  await once(server, 'listening')
  server.close()
  await closed(server)
  controller.abort()
  await quiet()
})

compare('the backlog may be anything that Node takes', async world => {
  for (const backlog of [0, 1, 511, 4096, -1, 1.5, '7']) {
    const server = world.keep(world.net.createServer())
    server.listen({ path: world.path, backlog: backlog as number })
    await once(server, 'listening')
    world.note('server', backlog, server.listening)
    server.close()
    await closed(server)
  }
})

compare(
  'listen() of a descriptor that is none',
  async world => {
    const server = world.follow('server', world.net.createServer())
    server.listen({ fd: 1_000_000 })
    world.note('state', server.listening, server.address())
    await once(server, 'error')
  },
  {
    reason: 'the code is the system’s: EBADF',
    ours: {
      state: [false, null],
      server: [
        [
          'error',
          {
            name: 'Error',
            message: 'listen EBADF: bad file descriptor',
            code: 'EBADF',
            errno: -9,
            syscall: 'listen',
            address: null,
          },
        ],
      ],
    },
  },
)
