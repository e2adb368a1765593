/** `bindDatagram()`: makes a socket for datagrams, at a path, at an abstract name, at one that the kernel chooses, or without any. */
import { constants } from 'node:os'
import { DatagramSocket } from './datagram-socket.js'
import { type BoundPath, bindPath } from './internal/bound-path.js'
import { datagramRules, type DatagramSocketOptions } from './internal/datagram-options.js'
import { datagramBinds, opened } from './internal/diagnostics.js'
import { type Engine, engine } from './internal/engine.js'
import { abortError, atCaller, invalidValue, systemError } from './internal/errors.js'
import { Handle } from './internal/handle.js'
import { Resource } from './internal/resource.js'
import { checkListenPermission } from './internal/permission.js'
import { datagramKind, type DatagramKind } from './internal/datagram-kind.js'
import { aBoolean, aSignal, oneOf, OptionSet, permissionBits } from './internal/validation.js'
import { keepPath, pathFromBytes, resolvePath, type UnixSocketPath } from './path.js'

export interface DatagramOptions extends DatagramSocketOptions {
  /** Permission bits of the socket file, as in `ListenOptions`. A sender needs the write bit. */
  mode?: number | undefined
  /** What to do if a file exists at the path, as in `ListenOptions`: 'error', the default, 'replaceStale' or 'takeOver'. */
  onExisting?: 'error' | 'replaceStale' | 'takeOver' | undefined
  /** Remove the socket file on close, if it is still this socket's own. Default false. */
  unlinkOnClose?: boolean | undefined
  /** Destroys the socket when aborted. Before there is a socket, `bindDatagram()` rejects with an AbortError. */
  signal?: AbortSignal | undefined
}

/** An abstract name that the kernel chooses (Linux). */
export interface Autobind {
  autobind: true
}

const bindOptions = new OptionSet<DatagramOptions>('bindDatagram()', {
  ...datagramRules,
  mode: permissionBits,
  onExisting: oneOf('error', 'replaceStale', 'takeOver'),
  unlinkOnClose: aBoolean,
  signal: aSignal,
})
const autobindOptions = new OptionSet<{ autobind?: boolean }>('bindDatagram()', { autobind: aBoolean })

/**
 * Resolves with a socket for datagrams. Without a path it can send, but cannot be answered; `{ autobind: true }` gives it a free abstract name
 * (Linux), by which receivers can answer.
 *
 * Rejects with a system error (`code`, `errno`, `syscall` 'bind', `address`), as `listen()` has them: EADDRINUSE, ENOENT, EACCES, EROFS and
 * others; EOPNOTSUPP where there is no autobind or no `credentials`. Rejects with an AbortError and with ERR_UNSUPPORTED_PLATFORM. Before any
 * system call, rejects with ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE and ERR_ACCESS_DENIED. After a rejection no file, lock
 * or descriptor of the call is left.
 */
export async function bindDatagram(
  path?: UnixSocketPath | Autobind,
  options?: DatagramOptions,
): Promise<DatagramSocket> {
  const call = datagramBinds.begin(path)
  try {
    const own = engine()
    const given = bindOptions.read(options)
    const kind = datagramKind(given)
    if (given.signal?.aborted) throw abortError(given.signal)
    const { id, bound, localPath } =
      path === undefined
        ? unbound(own, given, kind)
        : isAutobind(path)
          ? autobound(own, given, kind)
          : await boundAt(own, path, given, kind)
    const handle = new Handle(own, id, kind.options, new Resource(kind.resourceName), { localPath })
    let socket: DatagramSocket
    try {
      socket = made(handle, bound, given.signal, kind)
    } catch (error) {
      await bound?.remove()
      handle.close()
      bound?.forget()
      throw error
    }
    return datagramBinds.succeeded(call, opened(socket))
  } catch (error) {
    throw datagramBinds.failed(call, atCaller(error, bindDatagram))
  }
}

/** A new socket in the engine. */
interface New {
  readonly id: number
  readonly localPath?: UnixSocketPath | undefined
  readonly bound?: BoundPath | undefined
}

function made(
  handle: Handle,
  bound: BoundPath | undefined,
  signal: AbortSignal | undefined,
  kind: DatagramKind,
): DatagramSocket {
  if (signal?.aborted) throw abortError(signal)
  const result = kind.make(handle, bound)
  if (signal !== undefined) {
    const onAbort = (): void => void result.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    result.once('close', () => signal.removeEventListener('abort', onAbort))
  }
  return result
}

function unbound(own: Engine, given: DatagramOptions, kind: DatagramKind): New {
  refuse(given, ['mode', 'onExisting', 'unlinkOnClose'], 'a socket without a path has no file')
  const id = own.driver.datagramSocket(kind.options.receiveDescriptors > 0)
  if (id < 0) throw systemError(id, 'socket')
  return { id }
}

function autobound(own: Engine, given: DatagramOptions, kind: DatagramKind): New {
  refuse(given, ['mode', 'onExisting', 'unlinkOnClose'], 'an abstract name has no file')
  const { id } = unbound(own, {}, kind)
  const errno = (given.credentials ? own.driver.passCredentials(id, true) : 0) || own.driver.autobind(id)
  if (errno < 0) {
    own.close(id)
    throw systemError(errno, 'bind', undefined, errno === -EOPNOTSUPP ? linuxAlone : undefined)
  }
  return { id, localPath: pathFromBytes(own.driver.localAddress(id)) }
}

const { EOPNOTSUPP } = constants.errno
const targets = 'a string, a file: URL, a Uint8Array, { autobind: true } or undefined'
const linuxAlone = 'only Linux chooses abstract names; pass a path'

async function boundAt(
  own: Engine,
  path: UnixSocketPath,
  given: DatagramOptions,
  kind: DatagramKind,
): Promise<New> {
  const address = resolvePath(path, 'path', targets)
  if (address.bytes[0] === 0) refuse(given, ['mode'], 'an abstract name has no permissions')
  if (address.bytes[0] === 0 && given.onExisting === 'takeOver')
    throw invalidValue('options.onExisting', 'an abstract name cannot be taken over')
  const { mode, onExisting = 'error', unlinkOnClose = false, signal } = given
  checkListenPermission(address.bytes, address.display, onExisting === 'takeOver', 'bind')
  // A copy, before the caller can change it.
  const kept = keepPath(path)
  const { id, bound } = await bindPath(own, address, {
    backlog: 0,
    mode,
    onExisting,
    unlinkOnClose,
    signal,
    discards: kind.options.receiveDescriptors > 0,
    credentials: given.credentials,
    typeName: 'datagram',
  })
  return { id, localPath: kept, bound }
}

function refuse(given: DatagramOptions, names: readonly (keyof DatagramOptions)[], reason: string): void {
  for (const name of names)
    if (given[name] !== undefined) throw invalidValue(`options.${name}`, `${reason}; omit the option`)
}

function isAutobind(path: unknown): path is Autobind {
  if (typeof path !== 'object' || path === null || !('autobind' in path)) return false
  if (autobindOptions.read(path, 'path').autobind !== true)
    throw invalidValue('path.autobind', 'it must be true')
  return true
}
