import { AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { type Engine, engine } from './engine.js'
import { abortError, invalidType, invalidValue, systemError } from './errors.js'
import { type Allow, allowedPeers } from './identity.js'
import { UnixListener } from './listener.js'
import { type Limits, Listening, overflowValues } from './listening.js'
import { keepPath, pathFromBytes, resolvePath, type ResolvedPath, type UnixSocketPath } from './path.js'
import { mayListen } from './permission.js'
import { socketOptions, type SocketOptions } from './connection.js'
import { validateBoolean, validateInteger, validateOneOf, validateSignal } from './validate.js'

/** `allowHalfOpen`, `highWaterMark` and `busyPoll` are those of the accepted sockets. */
export interface ListenOptions extends SocketOptions {
  /** Connections that the kernel may hold before they are accepted; passed to it as it is. Default 4, as racket/unix-socket. */
  backlog?: number | undefined
  /**
   * Permission bits of the socket file, 0 to 0o777: exact whatever the umask, and never wider for an instant. Connecting
   * takes the write bit (unix(7)). Default: 0o777 less the umask.
   */
  mode?: number | undefined
  /**
   * What to do with what stands at the path.
   * - 'error', the default: EADDRINUSE, whatever it is.
   * - 'replaceStale': replace a socket file that nobody listens on.
   * - 'takeOver': atomically put this listener in the place of a stream listener, live or not; no client sees a gap. The
   *   other one, if it is of this package, emits 'superseded'.
   *
   * The last two replace only sockets of this process's effective user; everything else is EADDRINUSE and left as it is.
   * While they work they lock the directory (flock(2)), which must be readable. 'takeOver' binds at the temporary name
   * `.udsock-<uid>` beside the path, which must fit into a socket's address, too.
   */
  onExisting?: OnExisting | undefined
  /** Remove the socket file on close, but only if it is still this listener's own. Default false, as racket/unix-socket. */
  unlinkOnClose?: boolean | undefined
  /**
   * Who may connect: 'self', this process's effective user of now, or users and groups. Others are closed before anything of
   * them is read or handed out, read an end, and are counted in `listener.refused`; so are those of whom the system does
   * not tell. It is done when a connection is accepted: until somebody asks for one, it waits in the kernel's queue.
   *
   * The overflow uid, which stands for all users without a number in this user namespace (`nobody`, 65534, by default), is
   * never allowed: it is refused as an argument, and no group of it counts. Default: everybody who can open the path.
   */
  allow?: Allow | undefined
  /**
   * Connections of this listener that may be open at once, 1 or more; `overflow` says what becomes of the others. One that
   * was accepted counts until it is closed ('close', or a moment before). Default: no limit.
   */
  maxConnections?: number | undefined
  /**
   * With `maxConnections`:
   * - 'queue', the default: the others wait in the kernel's queue, whose length is `backlog`, and in `connect()` when that is
   *   full. As a connection closes, `accept()` goes on.
   * - 'drop': while the listener is full the others are accepted, closed at once and reported by 'drop' events, whether or not
   *   anybody waits in `accept()`. Those who wait in the queue when it becomes full are, too.
   */
  overflow?: 'queue' | 'drop' | undefined
  /** Closes the listener when aborted, at once; while it is being made, `listen()` rejects with an AbortError. */
  signal?: AbortSignal | undefined
}

/** In the order of the crate udsock-node. */
const onExistingValues = ['error', 'replaceStale', 'takeOver'] as const
type OnExisting = (typeof onExistingValues)[number]

/** A listening descriptor that this process was given. */
export interface InheritedListener {
  /** A number from 0 up. */
  fd: number
}

interface Wish {
  readonly backlog: number
  readonly mode: number | undefined
  readonly onExisting: OnExisting
  readonly unlinkOnClose: boolean
  readonly limits: Limits
  readonly signal: AbortSignal | undefined
}

/**
 * Listens at a path that nothing stands at, or on an abstract name that nobody has; `onExisting` says otherwise.
 *
 * Unless told otherwise, the socket file is made with the process's umask and stays when the listener closes.
 *
 * Rejects with a system error (`code`, `errno`, `syscall` 'listen', `address`): EADDRINUSE as `onExisting` says,
 * ENOENT for a missing directory, EACCES, EROFS, ENOSPC, ESTALE when others go on changing what stands at the path; with
 * `onExisting`, ETIMEDOUT when another process holds the directory's lock for 5 seconds, ENAMETOOLONG and EEXIST when the
 * temporary name does not fit or is taken; with an AbortError; with ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE,
 * and ERR_ACCESS_DENIED (`permission`, `resource`) where Node's permission model forbids it, before any system call; with
 * ERR_UNSUPPORTED_PLATFORM. After any of them no file, lock or descriptor of this call is left.
 */
export function listen(path: UnixSocketPath, options?: ListenOptions): Promise<UnixListener>
/**
 * Serves a listening Unix-domain stream socket that this process was given, as by a service manager. From then on the
 * descriptor is the listener's, which makes it non-blocking and close-on-exec, and closes it. The socket is never shut
 * down, and its file neither changed, removed nor watched, so `mode`, `onExisting`, `unlinkOnClose` and `backlog` are
 * refused. `path` is what the socket was bound to.
 *
 * Rejects with a system error whose `address` is `fd N`, and the descriptor is as it was: EBADF (closed), ENOTSOCK,
 * EAFNOSUPPORT (not AF_UNIX), EPROTOTYPE (not a stream socket), EINVAL (it does not listen), EBUSY (a listener of this
 * thread has it).
 */
export function listen(inherited: InheritedListener, options?: ListenOptions): Promise<UnixListener>
export async function listen(
  target: UnixSocketPath | InheritedListener,
  options?: ListenOptions,
): Promise<UnixListener> {
  const own = engine()
  const fd = inheritedFd(target)
  const address = fd === undefined ? resolvePath(target) : undefined
  const kept = socketOptions(options)
  const wish = wishOf(options)
  const allowed = allowedPeers(options?.allow)
  if (address === undefined) refuseForInherited(options)
  else if (address.bytes[0] === 0) refuseForAbstract(wish)
  const { signal } = wish
  if (signal?.aborted) throw abortError(signal)
  if (address !== undefined) mayListen(address.bytes, address.display, wish.onExisting === 'takeOver')

  const resource = new AsyncResource('UnixListener')
  const listening =
    address === undefined
      ? adopt(own, fd!, wish, kept, resource)
      : await bind(own, address, wish, kept, resource, keepPath(target as UnixSocketPath))
  if (signal?.aborted) {
    await listening.close(true)
    throw abortError(signal)
  }
  if (allowed !== undefined) {
    // From here on nobody else is accepted.
    const errno = own.reactor.allow(listening.id, allowed.uids, allowed.gids)
    if (errno < 0) {
      await listening.close(true)
      throw systemError(errno, 'listen', listening.display)
    }
  }
  const listener = new UnixListener(listening)
  if (signal !== undefined) {
    const onAbort = (): void => void listener.close()
    signal.addEventListener('abort', onAbort, { once: true })
    listener.once('close', () => signal.removeEventListener('abort', onAbort))
  }
  return listener
}

function wishOf(options: ListenOptions | undefined): Wish {
  const { backlog, mode, onExisting, unlinkOnClose, maxConnections, overflow, signal } = options ?? {}
  validateSignal(signal)
  validateInteger('options.backlog', backlog, 0, 2 ** 31 - 1)
  validateInteger('options.mode', mode, 0, 0o777)
  validateOneOf('options.onExisting', onExisting, onExistingValues)
  validateBoolean('options.unlinkOnClose', unlinkOnClose)
  validateInteger('options.maxConnections', maxConnections, 1, 2 ** 31 - 1)
  validateOneOf('options.overflow', overflow, overflowValues)
  if (overflow !== undefined && maxConnections === undefined)
    throw invalidValue('options.overflow', 'it says what happens beyond maxConnections, which is missing')
  return {
    backlog: backlog ?? 4,
    mode,
    onExisting: onExisting ?? 'error',
    unlinkOnClose: unlinkOnClose ?? false,
    limits: { maxConnections: maxConnections ?? Infinity, overflow: overflow ?? 'queue' },
    signal,
  }
}

/** The descriptor that the caller means; none for a path. */
function inheritedFd(target: unknown): number | undefined {
  let fd: unknown
  // A stranger's object may throw; then it is no path either.
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

function refuseForInherited(options: ListenOptions | undefined): void {
  const reason = 'whoever made an inherited listener has decided it'
  for (const name of ['backlog', 'mode'] as const)
    if (options?.[name] !== undefined) throw invalidValue(`options.${name}`, reason)
  if ((options?.onExisting ?? 'error') !== 'error') throw invalidValue('options.onExisting', reason)
  if (options?.unlinkOnClose === true)
    throw invalidValue('options.unlinkOnClose', "an inherited listener's file is its giver's")
}

/** What is left at an abstract name is nothing, so the other wishes are granted. */
function refuseForAbstract({ mode, onExisting }: Wish): void {
  if (mode !== undefined) throw invalidValue('options.mode', 'an abstract name has no permissions')
  if (onExisting === 'takeOver')
    throw invalidValue('options.onExisting', 'an abstract name cannot be taken over')
}

const { errno } = constants

const inheritedFailures: Record<number, string> = {
  [-errno.EBADF]: 'there is no open descriptor of that number',
  [-errno.ENOTSOCK]: 'the descriptor is not a socket',
  [-errno.EAFNOSUPPORT]: 'the descriptor is not a Unix-domain socket',
  [-errno.EPROTOTYPE]: 'the descriptor is not a stream socket',
  [-errno.EINVAL]: 'the socket does not listen',
  [-errno.EBUSY]: 'a listener has the descriptor already',
}

function adopt(
  own: Engine,
  fd: number,
  { limits }: Wish,
  kept: SocketOptions,
  resource: AsyncResource,
): Listening {
  const id = own.reactor.adopt(fd)
  if (id < 0) throw systemError(id, 'listen', `fd ${fd}`, inheritedFailures[id])
  const bytes = own.reactor.localAddress(id)
  const display = bytes.length === 0 ? `fd ${fd}` : Buffer.from(bytes).toString().replace('\0', '@')
  return new Listening(own, id, kept, limits, resource, pathFromBytes(bytes) ?? bytes, display)
}

function bindError(code: number, { display }: ResolvedPath, { onExisting }: Wish): Error {
  const changing = { [-errno.ESTALE]: 'other processes go on changing what stands there' }
  if (onExisting === 'error') return systemError(code, 'listen', display, changing[code])
  const explanations: Record<number, string> = {
    ...changing,
    [-errno.EADDRINUSE]:
      onExisting === 'takeOver'
        ? "what stands there is no stream socket of this process's user"
        : "a server listens there, or what stands there is no socket of this process's user",
    [-errno.ETIMEDOUT]: `another process keeps the directory ${dirname(display)} locked`,
    [-errno.ENAMETOOLONG]: 'the temporary name beside the path does not fit into an address',
    [-errno.EEXIST]: 'something else stands at the temporary name beside the path',
  }
  return systemError(code, 'listen', display, explanations[code])
}

function bind(
  own: Engine,
  address: ResolvedPath,
  wish: Wish,
  kept: SocketOptions,
  resource: AsyncResource,
  path: UnixSocketPath,
): Promise<Listening> {
  const { backlog, mode, onExisting, unlinkOnClose, limits, signal } = wish
  return new Promise((resolve, reject) => {
    let listening: Listening | undefined
    const onAbort = (): void => void own.reactor.cancelListen(request)
    const settle = (answer: number): void => {
      signal?.removeEventListener('abort', onAbort)
      if (answer >= 0) {
        const claim = { request, unlinkOnClose }
        listening = new Listening(own, answer, kept, limits, resource, path, address.display, claim)
      }
      if (listening !== undefined) resolve(listening)
      else reject(signal?.aborted ? abortError(signal) : bindError(answer, address, wish))
    }
    const request = own.request(
      number =>
        own.reactor.listen(
          number,
          address.bytes,
          backlog,
          mode ?? -1,
          onExistingValues.indexOf(onExisting),
          unlinkOnClose,
        ),
      settle,
      note => listening?.onNote(note),
    )
    if (request < 0) settle(request)
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
