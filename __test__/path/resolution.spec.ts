import test, { type ExecutionContext } from 'ava'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { connect, listen, type UnixListener, type UnixSocketPath } from '../../index.js'
import { directory, listening, receiveAll } from '../helpers/sockets.js'
import { Program, runs } from '../helpers/program.js'
import { failure, type Outcome, outcomes } from './helpers.js'

const isRoot = process.getuid?.() === 0

async function outcome(
  attempt: (path: UnixSocketPath) => Promise<AsyncDisposable>,
  path: UnixSocketPath,
): Promise<Outcome> {
  try {
    const made = await attempt(path)
    await made[Symbol.asyncDispose]()
    return 'ok'
  } catch (error) {
    const { code, errno, syscall, address } = error as NodeJS.ErrnoException & { address: string }
    return { code: code!, errno: errno!, syscall: syscall!, address }
  }
}

/** Everything below a directory, by name, with the contents of files. */
function contents(home: string): string[] {
  return readdirSync(home, { recursive: true, withFileTypes: true })
    .map(
      entry =>
        `${entry.parentPath}/${entry.name} ${entry.isFile() ? readFileSync(join(entry.parentPath, entry.name)) : ''}`,
    )
    .toSorted()
}

async function leaveSocketFile(path: UnixSocketPath): Promise<void> {
  const listener = await listen(path)
  await listener.close()
}

/** A socket of another type that Python holds open. */
async function leaveForeignSocket(
  t: ExecutionContext,
  path: string,
  type: string,
  then = 'pass',
): Promise<void> {
  const code = `import socket, sys; s = socket.socket(socket.AF_UNIX, socket.${type}); s.bind(sys.argv[1]); ${then}`
  const python = new Program(t, 'python3', [
    '-c',
    `${code}; print("bound", flush=True); sys.stdin.read()`,
    path,
  ])
  await python.prints('bound')
}

interface Case {
  /** Prepares `home`, and returns the path to try. */
  path(home: string, t: ExecutionContext): string | Promise<string>
  connect: keyof typeof constants.errno
  listen: keyof typeof constants.errno
}

const cases: Record<string, Case> = {
  'nothing there and no directory either': {
    path: home => join(home, 'missing', 's'),
    connect: 'ENOENT',
    listen: 'ENOENT',
  },
  'a regular file': {
    path: home => (writeFileSync(join(home, 'f'), 'precious'), join(home, 'f')),
    connect: 'ECONNREFUSED',
    listen: 'EADDRINUSE',
  },
  'a directory': {
    path: home => (mkdirSync(join(home, 'd')), join(home, 'd')),
    connect: 'ECONNREFUSED',
    listen: 'EADDRINUSE',
  },
  'a directory with a slash behind it': {
    path: home => (mkdirSync(join(home, 'd')), `${home}/d/`),
    connect: 'ECONNREFUSED',
    listen: 'EADDRINUSE',
  },
  'a new name with a slash behind it': {
    path: home => `${home}/s/`,
    connect: 'ENOENT',
    listen: 'ENOENT',
  },
  'a dangling symbolic link': {
    path: home => (symlinkSync(join(home, 'target'), join(home, 'l')), join(home, 'l')),
    connect: 'ENOENT',
    listen: 'EADDRINUSE',
  },
  'a symbolic link to a regular file': {
    path: home => {
      writeFileSync(join(home, 'f'), 'precious')
      symlinkSync('f', join(home, 'l'))
      return join(home, 'l')
    },
    connect: 'ECONNREFUSED',
    listen: 'EADDRINUSE',
  },
  'a symbolic link to itself': {
    path: home => (symlinkSync('l', join(home, 'l')), join(home, 'l')),
    connect: 'ELOOP',
    listen: 'EADDRINUSE',
  },
  'a loop of symbolic links on the way': {
    path: home => {
      symlinkSync('b', join(home, 'a'))
      symlinkSync('a', join(home, 'b'))
      return join(home, 'a', 's')
    },
    connect: 'ELOOP',
    listen: 'ELOOP',
  },
  'a regular file on the way': {
    path: home => (writeFileSync(join(home, 'f'), 'precious'), join(home, 'f', 's')),
    connect: 'ENOTDIR',
    listen: 'ENOTDIR',
  },
  'a socket on the way': {
    path: async home => (await leaveSocketFile(join(home, 's')), join(home, 's', 't')),
    connect: 'ENOTDIR',
    listen: 'ENOTDIR',
  },
  'a stale socket file': {
    path: async home => (await leaveSocketFile(join(home, 's')), join(home, 's')),
    connect: 'ECONNREFUSED',
    listen: 'EADDRINUSE',
  },
  'a datagram socket': {
    path: async (home, t) => (await leaveForeignSocket(t, join(home, 's'), 'SOCK_DGRAM'), join(home, 's')),
    connect: 'EPROTOTYPE',
    listen: 'EADDRINUSE',
  },
  'a sequential-packet listener': {
    path: async (home, t) => {
      await leaveForeignSocket(t, join(home, 's'), 'SOCK_SEQPACKET', 's.listen()')
      return join(home, 's')
    },
    connect: 'EPROTOTYPE',
    listen: 'EADDRINUSE',
  },
  'a stream socket that is bound and does not listen': {
    path: async (home, t) => (await leaveForeignSocket(t, join(home, 's'), 'SOCK_STREAM'), join(home, 's')),
    connect: 'ECONNREFUSED',
    listen: 'EADDRINUSE',
  },
  'a missing file of 108 bytes in a missing directory': {
    path: home => `${home}/missing/${'n'.repeat(108 - home.length - 9)}`,
    connect: 'ENOENT',
    listen: 'ENOENT',
  },
}

for (const [what, expected] of Object.entries(cases)) {
  test(`connect and listen report what is in their way, and change nothing: ${what}`, async t => {
    const home = directory(t)
    const path = await expected.path(home, t)
    const before = contents(home)
    for (const form of [path, Buffer.from(path), pathToFileURL(path)]) {
      const address = form instanceof URL ? path : String(form)
      t.deepEqual(await outcome(connect, form), failure(expected.connect, 'connect', address))
      t.deepEqual(await outcome(listen, form), failure(expected.listen, 'listen', address))
    }
    t.deepEqual(contents(home), before)
  })
}

test('a live listener keeps its path: a second listen is EADDRINUSE and the first serves on', async t => {
  const listener = await listening(t)
  const path = listener.path as string
  t.deepEqual(await outcome(listen, path), failure('EADDRINUSE', 'listen', path))
  const [client, server] = await Promise.all([connect(path), listener.accept()])
  client.end('still there')
  t.is(String(await receiveAll(server)), 'still there')
  server.destroy()
})

test('symbolic and hard links to a live socket lead to it', async t => {
  const home = directory(t)
  const listener = await listen(join(home, 's'))
  t.teardown(() => listener.close())
  symlinkSync('s', join(home, 'symbolic'))
  linkSync(join(home, 's'), join(home, 'hard'))
  for (const name of ['symbolic', 'hard']) {
    const [client, server] = await Promise.all([connect(join(home, name)), listener.accept()])
    client.end(name)
    t.is(String(await receiveAll(server)), name)
    t.is(client.remotePath, join(home, name))
    server.destroy()
  }
})

test('permissions refuse another user: EACCES', async t => {
  const home = directory(t)
  chmodSync(home, 0o755)
  mkdirSync(join(home, 'private'), { mode: isRoot ? 0o700 : 0 })
  await leaveSocketFile(join(home, 's'))
  chmodSync(join(home, 's'), isRoot ? 0o755 : 0o555)
  if (!isRoot) chmodSync(home, 0o555)
  t.teardown(() => chmodSync(home, 0o755))
  const become = isRoot ? [{ become: 1234 }] : []
  const [inside, file, fresh] = ['private/s', 's', 'fresh'].map(name => join(home, name)) as [
    string,
    string,
    string,
  ]
  const steps = [inside, file, fresh].flatMap(path => [{ connect: path }, { listen: path }])
  t.deepEqual(await outcomes(t, [...become, ...steps]), [
    failure('EACCES', 'connect', inside),
    failure('EACCES', 'listen', inside),
    failure('EACCES', 'connect', file),
    failure('EADDRINUSE', 'listen', file),
    failure('ENOENT', 'connect', fresh),
    failure('EACCES', 'listen', fresh),
  ])
  t.deepEqual(readdirSync(home).toSorted(), ['private', 's'])
})

const behind = (preparation: string): string[] => {
  return ['unshare', '-m', 'sh', '-c', `${preparation} && exec "$@"`, 'sh']
}
const mounts = runs('unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /mnt')

;(mounts ? test : test.skip)('a read-only file system is EROFS, and a full one ENOSPC', async t => {
  const home = directory(t)
  const steps = [{ listen: `${home}/s` }, { connect: `${home}/s` }]
  const missing = failure('ENOENT', 'connect', `${home}/s`)
  const full = `mount -t tmpfs -o nr_inodes=2 none "${home}" && touch "${home}/f"`
  t.deepEqual(await outcomes(t, steps, behind(full)), [failure('ENOSPC', 'listen', `${home}/s`), missing])
  const readOnly = `mount -t tmpfs none "${home}" && mount -o remount,ro "${home}"`
  t.deepEqual(await outcomes(t, steps, behind(readOnly)), [failure('EROFS', 'listen', `${home}/s`), missing])
})

test('a path of 108 bytes is used whole, and one byte more reaches no listener', async t => {
  const home = directory(t)
  const name = 'n'.repeat(108 - home.length - 1)
  const longest = join(home, name)
  const [shorter, whole] = [await listen(longest.slice(0, -1)), await listen(longest)]
  t.teardown(() => Promise.all([shorter.close(), whole.close()]))
  t.deepEqual(readdirSync(home).toSorted(), [name.slice(0, -1), name])

  // Were one of these truncated, the listener would see it before those that follow.
  for (const path of [`${longest}n`, `${longest}/`, Buffer.from(`${longest}\xff`, 'latin1')]) {
    t.deepEqual(await outcome(connect, path), { ...emptyFailure, code: 'ERR_INVALID_ARG_VALUE' })
    t.deepEqual(await outcome(listen, path), { ...emptyFailure, code: 'ERR_INVALID_ARG_VALUE' })
  }
  for (const [listener, length] of [
    [whole, 108],
    [shorter, 107],
  ] as [UnixListener, number][]) {
    const path = longest.slice(0, length)
    const [client, server] = await Promise.all([connect(path), listener.accept()])
    client.end(`${length}`)
    t.is(String(await receiveAll(server)), `${length}`)
    t.is(client.remotePath, path)
    t.is(server.localPath, path)
    t.is(server.remotePath, undefined)
    server.destroy()
  }
  t.deepEqual(readdirSync(home).toSorted(), [name.slice(0, -1), name])
})

const emptyFailure = { errno: undefined, syscall: undefined, address: undefined }
