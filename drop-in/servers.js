// Real servers for the programs: each on a path in a private directory, on no port, without privileges.
import { spawn } from 'node:child_process'
import {
  accessSync,
  chownSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const START_TIMEOUT = 60_000

/** Debian has servers in folders that a user's PATH lacks; PostgreSQL's are in one for each version. */
function folders() {
  const root = '/usr/lib/postgresql'
  let versions = []
  try {
    versions = readdirSync(root).toSorted((one, other) => Number(other) - Number(one))
  } catch {
    // PostgreSQL is not installed.
  }
  return [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    ...versions.map(name => join(root, name, 'bin')),
  ]
}

function located(program) {
  return folders()
    .map(folder => join(folder, program))
    .find(file => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** The first of these users that exists, for servers that refuse root. */
function identity(...names) {
  if (process.getuid() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of names) {
    const [, , uid, gid] = users.find(line => line.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  return {}
}

/** Per server: its programs, the user who runs it, what prepares it, how it starts, where it listens. */
const kinds = {
  redis: {
    programs: ['redis-server'],
    user: 'redis',
    start: directory => ['redis-server', ['--port', '0', '--unixsocket', join(directory, 's'), '--save', '']],
    path: directory => join(directory, 's'),
    stop: 'SIGTERM',
  },
  postgres: {
    programs: ['initdb', 'postgres'],
    user: 'postgres',
    prepare: directory => [
      'initdb',
      ['-D', join(directory, 'data'), '-U', 'udsock', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    ],
    start(directory) {
      const settings = {
        listen_addresses: '',
        unix_socket_directories: directory,
        fsync: 'off',
        max_connections: '30',
        shared_buffers: '16MB',
      }
      const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
      return ['postgres', ['-D', join(directory, 'data'), ...args]]
    },
    path: directory => join(directory, '.s.PGSQL.5432'),
    stop: 'SIGINT',
  },
  mariadb: {
    programs: ['mariadb-install-db', 'mariadbd'],
    user: 'mysql',
    prepare: directory => [
      'mariadb-install-db',
      [
        '--no-defaults',
        `--datadir=${join(directory, 'data')}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        '--skip-name-resolve',
      ],
    ],
    start: directory => [
      'mariadbd',
      [
        '--no-defaults',
        `--datadir=${join(directory, 'data')}`,
        `--socket=${join(directory, 's')}`,
        '--skip-networking',
        '--innodb-buffer-pool-size=32M',
        '--innodb-flush-log-at-trx-commit=0',
        '--max-allowed-packet=64M',
      ],
    ],
    path: directory => join(directory, 's'),
    stop: 'SIGTERM',
  },
}

/** The programs of a server that are not here. */
export const missingPrograms = kind => kinds[kind].programs.filter(program => located(program) === undefined)

function run([program, args], directory, user) {
  const log = openSync(join(directory, 'log'), 'a')
  const env = { PATH: process.env.PATH, LC_ALL: 'C', HOME: directory }
  const child = spawn(located(program), args, { ...user, cwd: directory, env, stdio: ['ignore', log, log] })
  closeSync(log)
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  const ended = new Promise(resolve => {
    const settle = how => {
      process.off('exit', kill)
      resolve(how)
    }
    child.on('error', settle)
    child.on('exit', (code, signal) => settle(signal ?? code))
  })
  return { child, ended }
}

const answers = path =>
  new Promise(resolve => {
    const socket = net.connect(path)
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })

/** Starts a server. Returns the path of its socket, and what stops it. */
export async function startServer(kind) {
  const { user: name, prepare, start, path: pathIn, stop } = kinds[kind]
  const directory = mkdtempSync(join(tmpdir(), 'uds-'))
  const user = identity(name, 'nobody')
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid)
  const log = () => readFileSync(join(directory, 'log'), 'utf8')
  if (prepare !== undefined) {
    const outcome = await run(prepare(directory), directory, user).ended
    if (outcome !== 0) throw new Error(`${kind} cannot be prepared: ${log()}`)
  }
  const { child, ended } = run(start(directory), directory, user)
  let hasEnded = false
  void ended.then(() => (hasEnded = true))
  const path = pathIn(directory)
  const limit = Date.now() + START_TIMEOUT
  while (!(await answers(path))) {
    if (hasEnded || Date.now() > limit) throw new Error(`${kind} does not start: ${log()}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return {
    path,
    async close() {
      child.kill(stop)
      await ended
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
