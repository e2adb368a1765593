import { spawn } from 'node:child_process'
import {
  accessSync,
  chownSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { eventually } from '../helpers/sockets.ts'

/** Where the program is; undefined: nowhere. Debian has servers in folders that a user's PATH lacks. */
export function located(program, folders = []) {
  const everywhere = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', ...folders]
  return everywhere
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

/** Where the gate unpacks servers whose packages would start them. */
const unpacked = fileURLToPath(new URL('../../target/servers/', import.meta.url))
export const unpackedServers = join(unpacked, 'usr/sbin')

/** The folder of rsyslogd's modules, wherever it is installed. */
export function rsyslogModules() {
  const roots = [join(unpacked, 'usr/lib'), '/usr/lib']
  const folders = roots.flatMap(root => subfolders(root).map(folder => join(root, folder, 'rsyslog')))
  return folders.find(folder => existsSync(join(folder, 'imuxsock.so')))
}

function subfolders(root) {
  return existsSync(root) ? readdirSync(root) : []
}

/** The folders of PostgreSQL's versions, the newest first. */
export function postgresFolders() {
  const root = '/usr/lib/postgresql'
  try {
    const versions = readdirSync(root).toSorted((one, other) => Number(other) - Number(one))
    return versions.map(version => join(root, version, 'bin'))
  } catch {
    return []
  }
}

/** `test.serial`, or what names the test as skipped when one of the programs is missing. */
export function needing(programs) {
  const missing = Object.keys(programs).filter(name => programs[name] === undefined)
  if (missing.length === 0) return test.serial
  return (title, run) => test.skip(`${title} (skipped: no ${missing.join(' and no ')} here)`, run)
}

/** The user for a server that refuses root: the first of these that exists, otherwise the test's own. */
function identity(...names) {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  for (const name of names) {
    const [, , uid, gid] = users.find(line => line.startsWith(`${name}:`))?.split(':') ?? []
    if (uid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  return {}
}

/** A server program on a private directory of its own, on no port, without privileges. */
export class ServerProgram {
  /** Where it has its data and its sockets. */
  directory = mkdtempSync(join(tmpdir(), 'uds-'))
  #identity
  #child

  /** @param {string} user whose name the package gives to its server */
  constructor(user) {
    this.#identity = identity(user, 'nobody')
    const { uid, gid } = this.#identity
    if (uid !== undefined) chownSync(this.directory, uid, gid)
  }

  get pid() {
    return this.#child.pid
  }

  #spawn(command, args) {
    const log = openSync(join(this.directory, 'log'), 'a')
    const child = spawn(command, args, {
      ...this.#identity,
      cwd: this.directory,
      env: { PATH: process.env.PATH, LC_ALL: 'C', HOME: this.directory },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    // Also when the tests end without their hooks.
    const kill = () => child.kill('SIGKILL')
    process.on('exit', kill)
    child.exited = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        process.off('exit', kill)
        resolve(signal ?? code)
      })
    })
    return child
  }

  /** Runs a program of the server's to its end. */
  async run(command, args) {
    const outcome = await this.#spawn(command, args).exited
    if (outcome !== 0) throw new Error(`${command} ended with ${outcome}: ${this.#log()}`)
  }

  /** Starts it and waits until `isReady`, which may reject until then. */
  async start(command, args, isReady) {
    const child = (this.#child = this.#spawn(command, args))
    let outcome
    void child.exited.then(
      how => (outcome = how),
      error => (outcome = error),
    )
    const ready = async () => {
      if (outcome !== undefined) throw new Error(`${command} ended with ${outcome}: ${this.#log()}`)
      return isReady().catch(() => false)
    }
    await eventually(`${command} is ready`, ready, 60)
  }

  /** Stops it by a signal, and waits for its end. */
  async stop(signal) {
    if (this.#child === undefined) return
    this.#child.kill(signal)
    await this.#child.exited
  }

  /** Stops it, and removes its directory. */
  async remove(signal) {
    await this.stop(signal)
    rmSync(this.directory, { recursive: true, force: true })
  }

  #log() {
    return readFileSync(join(this.directory, 'log'), 'utf8')
  }
}

/** Remembers the sockets that a library was given. */
export class Given {
  sockets = []

  add(socket) {
    this.sockets.push(socket)
    return socket
  }

  /** Fails unless every one of them closes, and without one it was not used at all. */
  async allClose(t) {
    t.true(this.sockets.length > 0)
    await eventually('every socket is closed', () => this.sockets.every(socket => socket.closed))
  }
}
