/**
 * Decides which connections of an agent may carry another request. A connection on which something arrived after its response is not used again:
 * a second response would answer the next request, and an end would fail it.
 */
import { type Socket as NetSocket } from 'node:net'
import { type Duplex } from 'node:stream'
import { hasInput } from '../internal/hooks.js'
import { UnixSocket } from '../socket.js'

/** The fields of node:http's agents. */
interface Pools {
  readonly freeSockets: Record<string, Duplex[] | undefined>
  readonly requests: Record<string, unknown>
  readonly scheduling: 'fifo' | 'lifo'
}

/** The socket of this package below each TLS socket. */
const below = new WeakMap<Duplex, UnixSocket>()

/** Records the socket of this package below a TLS socket. */
export function runsOver<T extends Duplex>(secured: T, socket: UnixSocket): T {
  below.set(secured, socket)
  return secured
}

/**
 * Whether a connection may carry another request. The event loop may not have reported the latest bytes or end yet, so this asks the
 * kernel. Node has asked its own handles likewise since Node 22.
 */
function isReusable(socket: Duplex): boolean {
  if (socket.destroyed || !socket.writable || socket.readableLength > 0) return false
  const own = below.get(socket) ?? socket
  return !(own instanceof UnixSocket) || !own[hasInput]()
}

/** Destroys unusable connections of a pool, up to the connection that node:http takes next. */
export function dropSpoiled(agent: unknown, name: string): void {
  const { freeSockets, scheduling } = agent as Pools
  const free = freeSockets[name]
  if (free === undefined) return
  while (free.length > 0) {
    const socket = scheduling === 'fifo' ? free[0]! : free.at(-1)!
    if (isReusable(socket)) return
    if (scheduling === 'fifo') free.shift()
    else free.pop()
    socket.destroy()
  }
}

/** Destroys a free connection that is unusable, before node:http assigns it to a waiting request. */
export function dropIfSpoiled(agent: unknown, socket: NetSocket): void {
  const { requests } = agent as Pools
  for (const _name in requests) {
    if (!isReusable(socket)) socket.destroy()
    return
  }
}

/** Makes an idle connection close when the peer sends anything. */
export function watchIdle(socket: Duplex): void {
  socket.on('data', destroy)
}

/** Ends `watchIdle`. */
export function unwatchIdle(socket: Duplex): void {
  socket.off('data', destroy)
}

function destroy(this: Duplex): void {
  this.destroy()
}
