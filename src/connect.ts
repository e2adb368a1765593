import { AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { type Engine, engine } from './engine.js'
import { abortError, peerRefused, systemError } from './errors.js'
import { expectedUids } from './identity.js'
import { type OnRead, validateOnRead } from './inbox.js'
import { keepPath, resolvePath, type UnixSocketPath } from './path.js'
import { mayConnect } from './permission.js'
import { Connection, socketOptions, type SocketOptions } from './connection.js'
import { UnixSocket } from './socket.js'
import { validateMilliseconds, validateSignal } from './validate.js'

export interface ConnectOptions extends SocketOptions {
  /** Aborts the attempt: the promise rejects with an AbortError, and no descriptor is left. */
  signal?: AbortSignal | undefined
  /** Milliseconds until ETIMEDOUT, waiting for a listener whose backlog is full included; 0 does not wait. Default: no limit. */
  timeout?: number | undefined
  /**
   * The uid, or the uids one of which, the listener must have; else, or where the system does not tell, it gets an end
   * without a byte, and `connect()` rejects with ERR_PEER_REFUSED. It is the effective user of whoever called listen(2):
   * under socket activation, the activator's. The overflow uid, which stands for all users without a number in this user
   * namespace, is refused as an argument. Default: whoever listens.
   */
  peerUid?: number | readonly number[] | undefined
  /**
   * Has what arrives read into your memory, and not into chunks: no 'data' is emitted and nothing is allocated. It is read
   * as fast as it comes; `pause()` and `resume()` work, 'end', 'error' and 'close' are emitted. Source: `onread` of
   * `new net.Socket` in Node's documentation.
   */
  onread?: OnRead | undefined
}

const backlogFull = -constants.errno.EAGAIN

/**
 * Connects to a listening socket.
 *
 * A full backlog is waited for, first come first served, for as long as `timeout` and `signal` allow. A pending attempt
 * keeps the process alive.
 *
 * Rejects with a system error (`code`, `errno`, `syscall` 'connect', `address`): ENOENT, ECONNREFUSED (nobody listens),
 * EACCES, EPROTOTYPE (not a stream socket), ETIMEDOUT; with ERR_PEER_REFUSED; with an AbortError; before any system call with
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, and ERR_ACCESS_DENIED (`permission`, `resource`) where Node's
 * permission model forbids it; with ERR_UNSUPPORTED_PLATFORM.
 */
export async function connect(path: UnixSocketPath, options?: ConnectOptions): Promise<UnixSocket> {
  const own = engine()
  const { bytes, display } = resolvePath(path)
  const { signal, timeout, onread, peerUid } = options ?? {}
  validateOnRead(onread)
  const expected = expectedUids(peerUid)
  const kept = { ...socketOptions(options), onread: onread && { ...onread } }
  validateSignal(signal)
  validateMilliseconds('options.timeout', timeout)
  if (signal?.aborted === true) throw abortError(signal)
  mayConnect(bytes, display)

  const remotePath = keepPath(path)
  const resource = new AsyncResource('UnixSocket')
  const made = (id: number): UnixSocket => {
    if (expected !== undefined) checkPeer(own, id, expected, display)
    return new UnixSocket(new Connection(own, id, kept, resource, { remotePath }))
  }

  const idOrErrno = own.reactor.tryConnect(bytes)
  if (idOrErrno >= 0) {
    const breath = own.breath()
    if (breath !== undefined) await breath
    if (signal?.aborted) {
      own.close(idOrErrno)
      throw abortError(signal)
    }
    return made(idOrErrno)
  }
  if (idOrErrno !== backlogFull) throw systemError(idOrErrno, 'connect', display)

  return await new Promise<UnixSocket>((resolve, reject) => {
    const onAbort = (): void => {
      own.forget(request)
      reject(abortError(signal!))
    }
    const request = own.request(
      number =>
        own.reactor.connect(number, bytes, timeout === undefined || timeout === Infinity ? -1 : timeout),
      answer => {
        signal?.removeEventListener('abort', onAbort)
        if (answer < 0) {
          reject(systemError(answer, 'connect', display))
          return
        }
        try {
          resolve(made(answer))
        } catch (error) {
          reject(error as Error)
        }
      },
    )
    if (request < 0) reject(systemError(request, 'connect', display))
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Closes the connection, and throws, unless its listener's user is one of these. */
function checkPeer(own: Engine, id: number, expected: readonly number[], display: string): void {
  const peer = own.peer(id)
  if (typeof peer !== 'number' && expected.includes(peer.uid)) return
  // First, so that what the listener sends meanwhile does not make the end that it reads an ECONNRESET.
  own.raw.shutdown(id, 0)
  own.close(id)
  throw peerRefused(display, typeof peer === 'number' ? systemError(peer, 'getsockopt') : peer.uid, expected)
}
