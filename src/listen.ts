import { AsyncResource } from 'node:async_hooks'
import { unlink } from 'node:fs/promises'
import { type Engine, engine } from './engine.js'
import { abortError, systemError } from './errors.js'
import { Listening, UnixListener } from './listener.js'
import { keepPath, resolvePath, type ResolvedPath, type UnixSocketPath } from './path.js'
import { socketOptions, type SocketOptions } from './connection.js'
import { refuseOptions, validateInteger, validateSignal } from './validate.js'

/** `allowHalfOpen`, `highWaterMark` and `busyPoll` are those of the accepted sockets. */
export interface ListenOptions extends SocketOptions {
  /** Connections that the kernel may hold before they are accepted; passed to it as it is. Default 4, as racket/unix-socket. */
  backlog?: number | undefined
  /** Closes the listener when aborted; while it is being made, `listen()` rejects with an AbortError. */
  signal?: AbortSignal | undefined
}

/**
 * Listens at a path that nothing stands at, or on an abstract name that nobody has.
 *
 * The socket file is made with the process's umask, and stays when the listener closes: whoever owns the path removes it.
 *
 * Rejects with a system error (`code`, `errno`, `syscall` 'listen', `address`): EADDRINUSE whatever stands at the path,
 * ENOENT for a missing directory, EACCES, EROFS; with an AbortError, after which no file is left; with
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE before any system call; with ERR_UNSUPPORTED_PLATFORM.
 */
export async function listen(path: UnixSocketPath, options?: ListenOptions): Promise<UnixListener> {
  const own = engine()
  const address = resolvePath(path)
  const kept = socketOptions(options)
  const { signal, backlog } = options ?? {}
  validateSignal(signal)
  validateInteger('options.backlog', backlog, 0, 2 ** 31 - 1)
  refuseOptions(options, ['mode', 'onExisting', 'unlinkOnClose', 'allow', 'maxConnections', 'overflow'])
  refuseOptions(options, ['writeLimit'])
  if (signal?.aborted) throw abortError(signal)

  const given = keepPath(path)
  const resource = new AsyncResource('UnixListener')
  const id = await bind(own, address, backlog ?? 4)
  if (signal?.aborted) {
    own.close(id)
    if (address.bytes[0] !== 0) await unlink(Buffer.from(address.bytes)).catch(() => {})
    throw abortError(signal)
  }
  const listener = new UnixListener(new Listening(own, id, kept, resource, given, address.display))
  if (signal !== undefined) {
    const onAbort = (): void => void listener.close()
    signal.addEventListener('abort', onAbort, { once: true })
    listener.once('close', () => signal.removeEventListener('abort', onAbort))
  }
  return listener
}

function bind(own: Engine, { bytes, display }: ResolvedPath, backlog: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const settle = (answer: number): void => {
      if (answer < 0) reject(systemError(answer, 'listen', display))
      else resolve(answer)
    }
    const request = own.request(number => own.reactor.listen(number, bytes, backlog), settle)
    if (request < 0) settle(request)
  })
}
