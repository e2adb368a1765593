/** What `util.inspect()` and error texts show of sockets, listeners and paths. Inspecting never throws. */
import { inspect, type InspectOptions, types } from 'node:util'
import { type UnixSocketPath } from '../path.js'
import { type PeerCredentials } from '../peer.js'

/** The options that `util.inspect()` passes on. @types/node has named them in more than one way. */
export interface InspectContext extends InspectOptions {
  stylize(text: string, styleType: string): string
}

/** Returns what `util.inspect()` and `console.log()` show of `target`: its class and those fields that are not undefined. */
export function inspected(
  target: object,
  fieldsOf: () => Record<string, unknown>,
  depth: number,
  options: InspectContext,
): unknown {
  if (depth < 0) return target
  try {
    const fields = Object.entries(fieldsOf()).filter(([, value]) => value !== undefined)
    const deeper = options.depth === undefined || options.depth === null ? null : options.depth - 1
    return `${target.constructor.name} ${inspect(Object.fromEntries(fields), { ...options, depth: deeper })}`
  } catch {
    // An object that only inherits from a socket has no such fields.
    return target
  }
}

/** Returns a path as error texts show it: an abstract name has '@' for its zero byte. */
export function pathText(path: unknown): string | undefined {
  if (path === undefined) return undefined
  return types.isUint8Array(path) ? Buffer.from(path).toString().replace('\0', '@') : String(path)
}

interface Inspectable {
  readonly readyState: string
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly localPath?: UnixSocketPath | undefined
  readonly remotePath?: UnixSocketPath | undefined
  readonly peer: PeerCredentials
}

/** Returns the fields of a socket. */
export function socketFields(socket: Inspectable): Record<string, unknown> {
  const { readyState, bytesRead, bytesWritten } = socket
  return {
    path: pathText(socket.localPath ?? socket.remotePath),
    state: readyState,
    bytesRead,
    bytesWritten,
    peer: peerOf(socket),
  }
}

interface InspectableDatagrams {
  readonly path: UnixSocketPath | undefined
  readonly remotePath: UnixSocketPath | undefined
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly dropped: number
}

/** Returns the fields of a socket for datagrams. */
export function datagramFields(socket: InspectableDatagrams, state: string): Record<string, unknown> {
  const { path, remotePath, bytesRead, bytesWritten, dropped } = socket
  return {
    path: pathText(path),
    remotePath: pathText(remotePath),
    state,
    bytesRead,
    bytesWritten,
    dropped,
  }
}

function peerOf(socket: Inspectable): PeerCredentials | undefined {
  try {
    return socket.peer
  } catch {
    return undefined
  }
}
