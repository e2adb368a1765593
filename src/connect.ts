/**
 * `connect()`: validates its arguments, connects at once if the listener's backlog has room, and otherwise waits for it.
 *
 * - Relative paths are resolved, and the caller's memory is copied, before the function first waits.
 * - A call has one outcome. After a rejection it leaves no descriptor.
 */
import { constants } from 'node:os'
import { connects, opened, waiting } from './internal/diagnostics.js'
import { type Engine, engine } from './internal/engine.js'
import { abortError, atCaller, peerRefused, systemError } from './internal/errors.js'
import { expectedUids } from './identity.js'
import { Resource } from './internal/resource.js'
import { nextTick } from './internal/scheduling.js'
import { type OnRead, validateOnRead } from './internal/onread.js'
import { aBoolean, aSignal, milliseconds, OptionSet, type Rules } from './internal/validation.js'
import { keepPath, resolvePath, type UnixSocketPath } from './path.js'
import { checkConnectPermission } from './internal/permission.js'
import { ConnectAttempt } from './internal/connect-attempt.js'
import { Handle } from './internal/handle.js'
import { type PacketOptions, packetRules, typeRule, wantsPackets } from './internal/packet-options.js'
import { packetKind, type SocketKind, streamKind } from './internal/socket-kind.js'
import { type SocketOptions, socketRules } from './internal/socket-options.js'
import { untilListening } from './internal/wait-for-listener.js'
import { type PacketSocket } from './packet-socket.js'
import { type UnixSocket } from './socket.js'

const { EPROTOTYPE } = constants.errno

export interface ConnectOptions extends SocketOptions {
  /** Aborts the attempt: the promise rejects with an AbortError, and no descriptor is left. */
  signal?: AbortSignal | undefined
  /** Milliseconds until ETIMEDOUT, the wait for a full backlog included; 0 does not wait. Default: no limit. */
  timeout?: number | undefined
  /**
   * Whether to wait for a listener that does not exist yet: instead of rejecting with ENOENT or ECONNREFUSED, the call tries again when the
   * file changes, and at least four times a second, for as long as `timeout` and `signal` allow. At the end of `timeout` it rejects with the
   * error of the last attempt. Default false.
   */
  waitForListener?: boolean | undefined
  /**
   * The uid that the listener must have, or a list of such uids. Any other listener, and one whose user the system does not report, gets an
   * end without a byte, and `connect()` rejects with ERR_PEER_REFUSED. The kernel reports the effective user of the process that called
   * listen(2): under socket activation, the activator's. The overflow uid, which stands for all users without a number in this user
   * namespace, is rejected as an argument. Default: any listener.
   */
  peerUid?: number | readonly number[] | undefined
  /**
   * Reads into the caller's memory instead of chunks: no 'data' is emitted and nothing is allocated. Bytes are read as fast as they come.
   * `pause()` and `resume()` work, and 'end', 'error' and 'close' are emitted. Source: `onread` of `new net.Socket` in Node's documentation.
   */
  onread?: OnRead | undefined
}

/** `type` makes the socket one for messages. */
export interface PacketConnectOptions
  extends Omit<ConnectOptions, 'onread' | 'allowHalfOpen'>, PacketOptions {
  type: 'seqpacket'
}

const attemptRules = {
  signal: aSignal,
  timeout: milliseconds,
  waitForListener: aBoolean,
  peerUid: (_name: string, value: unknown) => void expectedUids(value),
}

/** @internal Also the rules of `undiciConnector`. */
export const connectRules: Rules<ConnectOptions> = {
  ...socketRules,
  ...attemptRules,
  onread: (_name, value) => validateOnRead(value),
}
const connectOptions = new OptionSet<ConnectOptions & { type?: string | undefined }>('connect()', {
  ...connectRules,
  type: typeRule,
})
const packetConnectOptions = new OptionSet<PacketConnectOptions>("connect() with type 'seqpacket'", {
  ...packetRules,
  ...attemptRules,
  type: typeRule,
})

/** The kind of the socket to be made. */
type Kind = SocketKind<UnixSocket | PacketSocket>

interface Parsed {
  readonly kind: Kind
  readonly given: Omit<ConnectOptions, 'onread'>
}

/** What a call without options has; made at the first one. */
let plain: Parsed | undefined

function parseConnect(options: unknown): Parsed {
  if (options === undefined) return (plain ??= { kind: streamKind({}), given: {} })
  if (wantsPackets(options)) {
    const given = packetConnectOptions.read(options)
    return { kind: packetKind(given), given }
  }
  const given = connectOptions.read(options)
  return { kind: streamKind(given, given.onread && { ...given.onread }), given }
}

function connectError(errno: number, display: string, kind: Kind): Error {
  const isWrongType = errno === -EPROTOTYPE
  return systemError(
    errno,
    'connect',
    display,
    isWrongType ? `the socket there is not a ${kind.typeName} socket` : undefined,
  )
}

/**
 * Connects to a listening socket.
 *
 * Waits while the listener's backlog is full, first come first served, for as long as `timeout` and `signal` allow; with
 * `waitForListener`, also until a process listens. A pending attempt keeps the process alive.
 *
 * Rejects with a system error (`code`, `errno`, `syscall` 'connect', `address`): ENOENT, ECONNREFUSED (no process listens), EACCES,
 * EPROTOTYPE (a socket of another type), ETIMEDOUT. Rejects with ERR_PEER_REFUSED, with an AbortError and with ERR_UNSUPPORTED_PLATFORM. Before
 * any system call, rejects with ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and ERR_OUT_OF_RANGE, and with ERR_ACCESS_DENIED (`permission`,
 * `resource`) where Node's permission model forbids it.
 */
export function connect(
  path: UnixSocketPath,
  options?: ConnectOptions & { type?: 'stream' | undefined },
): Promise<UnixSocket>
/** Connects to a listener of type SOCK_SEQPACKET, whose messages keep their boundaries, in the same way. */
export function connect(path: UnixSocketPath, options: PacketConnectOptions): Promise<PacketSocket>
export async function connect(
  path: UnixSocketPath,
  options?: (ConnectOptions & { type?: 'stream' | undefined }) | PacketConnectOptions,
): Promise<UnixSocket | PacketSocket> {
  const call = connects.begin(path)
  let resource: Resource | undefined
  try {
    const own = engine()
    const { bytes, display } = resolvePath(path)
    const { kind, given } = parseConnect(options)
    const { signal, timeout = Infinity } = given
    const expected = expectedUids(given.peerUid)
    if (signal?.aborted === true) throw abortError(signal)
    checkConnectPermission(bytes, display)

    const remotePath = keepPath(path)
    const context = (resource = new Resource(kind.resourceName))
    const made = (id: number): UnixSocket | PacketSocket =>
      connects.succeeded(call, socketOf(id, own, kind, context, remotePath, expected, display))
    const attemptNow = (): ConnectAttempt =>
      new ConnectAttempt(own, bytes, kind.options.receiveDescriptors > 0, kind.type)
    if (given.waitForListener === true) {
      return await untilListening({ address: bytes, timeout, signal }, left =>
        outcomeOf(attemptNow(), left, signal, display, kind, made),
      )
    }
    const attempt = attemptNow()
    if (attempt.isWaiting) {
      waiting(path, 'backlog')
      return await outcomeOf(attempt, timeout, signal, display, kind, made)
    }
    const yielded = attempt.isConnected ? own.yieldToEventLoop() : undefined
    if (yielded !== undefined) await yielded
    // An abort in the tick of the call is an abort.
    else if (signal !== undefined) await new Promise<void>(resolve => nextTick(resolve))
    if (signal?.aborted) {
      attempt.cancel()
      throw abortError(signal)
    }
    const idOrErrno = attempt.take()
    if (idOrErrno < 0) throw connectError(idOrErrno, display, kind)
    return made(idOrErrno)
  } catch (error) {
    resource?.emitDestroy()
    throw connects.failed(call, atCaller(error, connect))
  }
}

/** Waits for the outcome of an attempt, for room in the listener's backlog if it is full. `made` gets the connection's id before any event of it is delivered. */
function outcomeOf<S>(
  attempt: ConnectAttempt,
  timeout: number,
  signal: AbortSignal | undefined,
  display: string,
  kind: Kind,
  made: (id: number) => S,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      attempt.cancel()
      reject(abortError(signal!))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    attempt.deliver(timeout, idOrErrno => {
      signal?.removeEventListener('abort', onAbort)
      try {
        if (idOrErrno < 0) throw connectError(idOrErrno, display, kind)
        resolve(made(idOrErrno))
      } catch (error) {
        reject(error as Error)
      }
    })
  })
}

/** Makes the socket of a connection, after checking the listener's user. */
function socketOf(
  id: number,
  own: Engine,
  kind: Kind,
  resource: Resource,
  remotePath: UnixSocketPath,
  expected: readonly number[] | undefined,
  display: string,
): UnixSocket | PacketSocket {
  if (expected !== undefined) checkPeer(own, id, expected, display)
  return opened(kind.make(new Handle(own, id, kind.options, resource, { remotePath })))
}

/** Throws and closes the connection, unless the listener's user is one of `expected`. */
function checkPeer(own: Engine, id: number, expected: readonly number[], display: string): void {
  const peer = own.peer(id)
  if (typeof peer !== 'number' && expected.includes(peer.uid)) return
  // Shuts down first: otherwise bytes that the listener sends meanwhile would turn the end that it reads into ECONNRESET.
  own.raw.shutdown(id, 0)
  own.close(id)
  throw peerRefused(display, typeof peer === 'number' ? systemError(peer, 'getsockopt') : peer.uid, expected)
}
