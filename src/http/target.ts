/** Where agents and connectors connect: paths in the forms that node:http and this package know. */
import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { invalidType, invalidValue } from '../internal/errors.js'
import { connect, type Socket } from '../net/fallback.js'
import { exactAddress } from '../net/socket-options.js'
import { resolvePath, type ResolvedPath } from '../path.js'
import { isSupported } from '../supported.js'

type Options = Record<string, unknown>

/** Resolves a path. As `socketPath`, node:http also accepts a string with a leading zero byte, which is an abstract name. */
export function resolveTarget(path: unknown): ResolvedPath {
  if (!isSupported) return nodeTarget(path)
  return resolvePath(typeof path === 'string' && path.startsWith('\0') ? Buffer.from(path) : path)
}

/** Returns the path as node:net takes it, which is a named pipe on Windows. */
function nodeTarget(path: unknown): ResolvedPath {
  const display = nodePath(path)
  return { bytes: Buffer.from(display), display }
}

/** Returns the string by which `listen()`, `connect()` and `server.address()` of node:net name a path. */
export function nodePath(path: unknown): string {
  if (path instanceof URL) return fileURLToPath(path)
  if (types.isUint8Array(path)) return Buffer.from(path).toString()
  if (typeof path === 'string') return path
  throw invalidType('path', 'a string, a URL or a Uint8Array', path)
}

/** Returns the part of a pool's name that distinguishes paths: the same text for the same bytes. */
function poolName(path: unknown): string {
  if (typeof path !== 'string' && !types.isUint8Array(path)) return `:${String(path)}`
  return `:${Buffer.from(path as string).toString('latin1')}`
}

/** Where an agent's connections go: to the path of the request, or else to that of the agent. */
export class AgentTarget {
  readonly #resolved: ResolvedPath | undefined
  readonly #pool: string
  /** The last `socketPath` of a request: node:http asks for a name several times per request. */
  #lastPath: string | undefined
  #lastPool = ''

  constructor(path: unknown) {
    this.#resolved = path === undefined ? undefined : resolveTarget(path)
    this.#pool = this.#resolved === undefined ? '' : poolName(this.#resolved.bytes)
  }

  /** Returns a pool's name: `nameOf(options)` without a path, and the path. Invalid paths are reported by `connect()`. */
  nameOf<T extends Options>(options: T | undefined, nameOf: (options: T | undefined) => string): string {
    const path = options?.['socketPath']
    if (path === undefined || path === null) return nameOf(options) + this.#pool
    const name = nameOf({ ...options!, socketPath: undefined })
    if (typeof path !== 'string') return name + poolName(path)
    if (path !== this.#lastPath) {
      this.#lastPath = path
      this.#lastPool = poolName(path)
    }
    return name + this.#lastPool
  }

  /** Begins to connect. Throws for an invalid or missing path. */
  connect(options: Options): Socket {
    const given = options['socketPath']
    const resolved = given === undefined || given === null ? this.#resolved : resolveTarget(given)
    if (resolved === undefined)
      throw invalidValue(
        'options.socketPath',
        'neither the request nor the agent has a path; set one of them',
      )
    const { bytes, display } = resolved
    const { fd: _fd, onread: _onread, ...kept } = options
    if (!isSupported) return connect({ ...kept, path: display } as { path: string })
    return connect({ ...kept, path: display, [exactAddress]: bytes } as { path: string })
  }
}
