/**
 * `listen()`: validates its arguments, and binds a path on the control plane, or takes over a listening descriptor.
 *
 * - Relative paths are resolved, and the caller's memory is copied, before the function first waits.
 * - After a rejection no file, lock or descriptor of the call is left; an inherited descriptor stays as it was.
 */
import { listened, listens } from './internal/diagnostics.js'
import { type Engine, engine } from './internal/engine.js'
import { abortError, atCaller, invalidType, invalidValue, systemError } from './internal/errors.js'
import { type Allow, allowedPeers } from './identity.js'
import { Resource } from './internal/resource.js'
import { longestDelay } from './internal/scheduling.js'
import {
  aBoolean,
  aSignal,
  integer,
  oneOf,
  OptionSet,
  permissionBits,
  type Rules,
  validateInteger,
} from './internal/validation.js'
import { inheritError, refuseForAbstract, refuseForInherited } from './internal/listen-errors.js'
import { bindPath } from './internal/bound-path.js'
import { pathText } from './internal/inspect.js'
import { type Limits } from './internal/connection-limits.js'
import { ListenHandle } from './internal/listen-handle.js'
import { type ListenerSettings } from './internal/listener-options.js'
import { UnixListener } from './listener.js'
import { keepPath, pathFromBytes, resolvePath, type ResolvedPath, type UnixSocketPath } from './path.js'
import { checkListenPermission } from './internal/permission.js'
import { type PacketOptions, packetRules, typeRule, wantsPackets } from './internal/packet-options.js'
import { packetKind, type SocketKind, streamKind } from './internal/socket-kind.js'
import { type SocketOptions, socketRules } from './internal/socket-options.js'
import { type PacketSocket } from './packet-socket.js'
import { type UnixSocket } from './socket.js'

/** The options of `SocketOptions` are those of the accepted sockets. */
export interface ListenOptions extends SocketOptions {
  /** The most connections that the kernel holds until they are accepted, passed to listen(2) unchanged. Default 4, as in racket/unix-socket. */
  backlog?: number | undefined
  /**
   * Permission bits of the socket file, 0 to 0o777: exact whatever the umask, and never wider for an instant. A client needs the write bit
   * (unix(7)). Default: 0o777 less the umask.
   */
  mode?: number | undefined
  /**
   * What to do if a file exists at the path:
   * - 'error', the default: reject with EADDRINUSE.
   * - 'replaceStale': replace a socket file on which no process listens.
   * - 'takeOver': replace a stream listener atomically, live or not; no client sees a gap. A live listener of this package emits
   *   'superseded'.
   *
   * The last two replace only sockets of this process's effective user, and none of the overflow user (`nobody`). Any other file is left as
   * it is, and the call rejects with EADDRINUSE. They lock the directory (flock(2)), which must be readable. 'takeOver' binds at the
   * temporary name `.udsock-<uid>` beside the path, which must fit into a socket's address, too.
   */
  onExisting?: 'error' | 'replaceStale' | 'takeOver' | undefined
  /**
   * Remove the socket file on close, if it is still this listener's own. The file stays if another process keeps the directory locked for a
   * second. Default false, as in racket/unix-socket.
   */
  unlinkOnClose?: boolean | undefined
  /**
   * The peers that may connect: 'self', this process's effective user at the call, or users and groups. Other peers, and peers without
   * credentials, are closed when they are accepted, before any byte is read, and counted in `listener.refused`; they read an end. Until
   * `accept()` asks for a connection it waits in the kernel's queue.
   *
   * The overflow uid, which stands for all users without a number in this user namespace (`nobody`, 65534, by default), is never allowed: it
   * is rejected as an argument, and its groups do not count. Default: every peer that can open the path.
   */
  allow?: Allow | undefined
  /**
   * The most connections of this listener that are open at once, 1 or more; `overflow` says what happens to further ones. A connection counts
   * from its accept until it is closed ('close', or a moment before). Default: no limit.
   */
  maxConnections?: number | undefined
  /**
   * The most connections of one user that are open at once, 1 or more, so that one user cannot take all of `maxConnections`. The uid that the
   * kernel reports (SO_PEERCRED) names the user; all peers without credentials count as one user. A connection beyond the limit is closed
   * when it is accepted, before any byte is read; it is counted in `listener.refused` and reported by 'drop'. Default: no limit.
   */
  maxConnectionsPerUser?: number | undefined
  /**
   * With `maxConnections`:
   * - 'queue', the default: further connections wait in the kernel's queue, whose length is `backlog`, and in `connect()` while that is full.
   *   `accept()` goes on when a connection closes.
   * - 'drop': while the listener is full, further connections are accepted, closed at once and reported by 'drop' events, even if no
   *   `accept()` waits. So are the connections that wait in the queue when the listener becomes full.
   */
  overflow?: 'queue' | 'drop' | undefined
  /**
   * Milliseconds without a byte or a message in either direction after which an accepted socket is destroyed, 1 or more; it may take a quarter longer. Bytes
   * that wait in the kernel do not count. Default: no limit.
   */
  idleTimeout?: number | undefined
  /** Closes the listener at once when aborted. Before there is a listener, `listen()` rejects with an AbortError. */
  signal?: AbortSignal | undefined
}

/** `type` makes the accepted sockets ones for messages. */
export interface PacketListenOptions extends Omit<ListenOptions, 'allowHalfOpen'>, PacketOptions {
  type: 'seqpacket'
}

type OnExisting = NonNullable<ListenOptions['onExisting']>

/** A listening descriptor that this process has inherited. */
export interface InheritedListener {
  /** The descriptor's number, 0 or more. */
  fd: number
}

interface ParsedListenOptions {
  readonly backlog: number
  readonly mode: number | undefined
  readonly onExisting: OnExisting
  readonly unlinkOnClose: boolean
  readonly limits: Limits
  readonly signal: AbortSignal | undefined
}

/**
 * Listens at a path where no file exists, or on an unused abstract name; `onExisting` changes that. By default, the socket file is made with
 * the process's umask and stays when the listener closes.
 *
 * Rejects with a system error (`code`, `errno`, `syscall` 'listen', `address`): EADDRINUSE as `onExisting` says, ENOENT for a missing
 * directory, EACCES, EROFS, ENOSPC, ESTALE if other processes keep changing the file, EAGAIN if the system has no thread for the work on
 * files, EOPNOTSUPP for a `mode` that cannot be set here. With `onExisting`, also ETIMEDOUT if another process locks the directory for
 * 5 seconds, ENAMETOOLONG and EEXIST if the temporary name does not fit or is taken.
 *
 * Rejects with an AbortError and with ERR_UNSUPPORTED_PLATFORM. Before any system call, rejects with ERR_INVALID_ARG_TYPE,
 * ERR_INVALID_ARG_VALUE and ERR_OUT_OF_RANGE, and with ERR_ACCESS_DENIED (`permission`, `resource`) where Node's permission model forbids it.
 * After a rejection no file, lock or descriptor of the call is left.
 */
export function listen(
  path: UnixSocketPath,
  options?: ListenOptions & { type?: 'stream' | undefined },
): Promise<UnixListener>
/**
 * Serves a listening Unix-domain socket that this process has inherited, for example from a service manager. Its type must be SOCK_STREAM, or
 * SOCK_SEQPACKET with `type: 'seqpacket'`. The listener owns the descriptor from then on, makes it non-blocking and close-on-exec, and closes it. It does not shut the socket down, and does not change,
 * remove or watch its file; therefore `mode`, `onExisting`, `unlinkOnClose` and `backlog` are rejected. `path` is the path that the socket
 * is bound to.
 *
 * Rejects with a system error whose `address` is `fd N`, and leaves the descriptor as it was: EBADF (closed), ENOTSOCK, EAFNOSUPPORT (not
 * AF_UNIX), EPROTOTYPE (another type), EINVAL (it does not listen), EBUSY (a listener of this thread has it).
 */
export function listen(
  inherited: InheritedListener,
  options?: ListenOptions & { type?: 'stream' | undefined },
): Promise<UnixListener>
/** Listens with type SOCK_SEQPACKET, whose messages keep their boundaries, in the same way. */
export function listen(
  target: UnixSocketPath | InheritedListener,
  options: PacketListenOptions,
): Promise<UnixListener<PacketSocket>>
export async function listen(
  target: UnixSocketPath | InheritedListener,
  options?: (ListenOptions & { type?: 'stream' | undefined }) | PacketListenOptions,
): Promise<UnixListener | UnixListener<PacketSocket>> {
  const call = listens.begin(target)
  let resource: Resource | undefined
  try {
    const own = engine()
    const fd = inheritedFd(target)
    const address = fd === undefined ? resolvePath(target, 'path', targets) : undefined
    const { kind, given } = read(options)
    const parsed = parse(given)
    const allowed = allowedPeers(given.allow)
    if (address === undefined) refuseForInherited(given)
    else if (address.bytes[0] === 0) refuseForAbstract(parsed)
    const { signal } = parsed
    if (signal?.aborted) throw abortError(signal)
    if (address !== undefined)
      checkListenPermission(address.bytes, address.display, parsed.onExisting === 'takeOver')

    resource = new Resource('UnixListener')
    let handle: ListenHandle
    let place: Place
    if (address === undefined) {
      handle = inherit(own, fd!, resource, kind)
      place = boundPlace(handle, fd!)
    } else {
      // A copy, before the caller can change it.
      place = { path: keepPath(target as UnixSocketPath), display: address.display }
      handle = await bind(own, address, parsed, resource, kind)
    }
    if (signal?.aborted) {
      await handle.close(true)
      throw abortError(signal)
    }
    if (allowed !== undefined) {
      // From here on no other peer is accepted.
      const errno = own.driver.allow(handle.id, allowed.uids, allowed.gids)
      if (errno < 0) {
        await handle.close(true)
        throw systemError(errno, 'listen', place.display)
      }
    }
    const listener = new UnixListener<UnixSocket | PacketSocket>(handle, {
      ...place,
      ...parsed.limits,
      kind,
      idleTimeout: given.idleTimeout ?? Infinity,
    })
    if (signal !== undefined) {
      const onAbort = (): void => void listener.close()
      signal.addEventListener('abort', onAbort, { once: true })
      listener.once('close', () => signal.removeEventListener('abort', onAbort))
    }
    return listens.succeeded(call, listened(listener, handle)) as UnixListener | UnixListener<PacketSocket>
  } catch (error) {
    resource?.emitDestroy()
    throw listens.failed(call, atCaller(error, listen))
  }
}

const bindRules = {
  backlog: integer(0, 2 ** 31 - 1),
  mode: permissionBits,
  onExisting: oneOf('error', 'replaceStale', 'takeOver'),
  unlinkOnClose: aBoolean,
  allow: (_name: string, value: unknown) => void allowedPeers(value),
  maxConnections: integer(1, 2 ** 31 - 1),
  maxConnectionsPerUser: integer(1, 2 ** 31 - 1),
  overflow: oneOf('queue', 'drop'),
  idleTimeout: integer(1, longestDelay),
  signal: aSignal,
}

/** @internal Also the rules of `serve()`. */
export const listenRules: Rules<ListenOptions> = {
  ...socketRules,
  ...bindRules,
}
const listenOptions = new OptionSet<ListenOptions & { type?: string | undefined }>('listen()', {
  ...listenRules,
  type: typeRule,
})
const packetListenOptions = new OptionSet<PacketListenOptions>("listen() with type 'seqpacket'", {
  ...packetRules,
  ...bindRules,
  type: typeRule,
})

/** The kind of the sockets that are accepted. */
type Kind = SocketKind<UnixSocket | PacketSocket>
type Place = Pick<ListenerSettings<unknown>, 'path' | 'display'>

function read(options: unknown): { kind: Kind; given: ListenOptions } {
  if (wantsPackets(options)) {
    const given = packetListenOptions.read(options)
    return { kind: packetKind(given), given }
  }
  const given = listenOptions.read(options)
  return { kind: streamKind(given), given }
}

function parse(options: ListenOptions): ParsedListenOptions {
  const { backlog, mode, onExisting, unlinkOnClose, maxConnections, overflow, signal } = options
  const maxConnectionsPerUser = options.maxConnectionsPerUser ?? Infinity
  if (overflow !== undefined && maxConnections === undefined)
    throw invalidValue('options.overflow', 'it requires options.maxConnections')
  return {
    backlog: backlog ?? 4,
    mode,
    onExisting: onExisting ?? 'error',
    unlinkOnClose: unlinkOnClose ?? false,
    limits: {
      maxConnections: maxConnections ?? Infinity,
      maxConnectionsPerUser,
      overflow: overflow ?? 'queue',
    },
    signal,
  }
}

const targets = 'a string, a file: URL, a Uint8Array or { fd }'

/** Returns the descriptor's number if `target` is an inherited listener, and undefined for a path. */
function inheritedFd(target: unknown): number | undefined {
  let fd: unknown
  // A user's object may throw; then it is no path either.
  try {
    if (typeof target !== 'object' || target === null || !('fd' in target)) return undefined
    fd = target.fd
  } catch {
    return undefined
  }
  if (fd === undefined) throw invalidType('fd', 'a number', fd)
  validateInteger('fd', fd, 0, 2 ** 31 - 1)
  return fd
}

function inherit(own: Engine, fd: number, resource: Resource, kind: Kind): ListenHandle {
  const id = own.driver.adopt(fd, kind.options.receiveDescriptors > 0, kind.type)
  if (id < 0) throw inheritError(id, fd, kind.typeName)
  return new ListenHandle(own, id, resource)
}

/** Returns the path that an inherited listener is bound to. */
function boundPlace({ engine: own, id }: ListenHandle, fd: number): Place {
  const bytes = own.driver.localAddress(id)
  const path = pathFromBytes(bytes)
  return { path: path ?? bytes, display: pathText(path) ?? `fd ${fd}` }
}

async function bind(
  own: Engine,
  address: ResolvedPath,
  parsed: ParsedListenOptions,
  resource: Resource,
  { options, typeName }: Kind,
): Promise<ListenHandle> {
  const discards = options.receiveDescriptors > 0
  const { id, bound } = await bindPath(own, address, { ...parsed, discards, typeName })
  return new ListenHandle(own, id, resource, bound)
}
