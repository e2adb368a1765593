/**
 * `connections()`: one connection after the other to the same path, with a growing delay between attempts.
 *
 * - At most one connection of an iterator is open at a time.
 * - Arguments are checked, and a relative path is completed, at the call.
 */
import { Backoff } from './internal/backoff.js'
import { waiting } from './internal/diagnostics.js'
import { engine } from './internal/engine.js'
import { abortError, atCaller, outOfRange } from './internal/errors.js'
import { clearTimeout, longestDelay, monotonicTime, setTimeout } from './internal/scheduling.js'
import { OptionSet, validateTimeout } from './internal/validation.js'
import { connect, type ConnectOptions, connectRules } from './connect.js'
import { pathFromBytes, resolvePath, type UnixSocketPath } from './path.js'
import { type UnixSocket } from './socket.js'

export interface ConnectionsOptions extends ConnectOptions {
  /** Ends the iteration: `next()` rejects with an AbortError. The connection that was yielded last stays open. */
  signal?: AbortSignal | undefined
  /**
   * Whether a socket's writable side stays open after the peer's end. Default false, unlike `connect()`: the socket closes after the peer's
   * end, and the next connection follows. With true, close it yourself.
   */
  allowHalfOpen?: boolean | undefined
  /** Milliseconds before the second attempt, at most. Default 100. */
  minDelay?: number | undefined
  /** Milliseconds between two attempts, at most. Default 30,000. */
  maxDelay?: number | undefined
}

const connectionsOptions = new OptionSet<ConnectionsOptions>('connections()', {
  ...connectRules,
  minDelay: validateTimeout,
  maxDelay: validateTimeout,
})

/** Failures that may pass: no process listens, or something ran out. */
const passing = new Set<unknown>([
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EAGAIN',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
])

/**
 * Connects again and again: yields a connection, waits until it is closed, and yields the next one.
 *
 *     for await (const socket of connections('/run/app.sock', { signal })) {
 *       socket.on('error', console.error)
 *       socket.pipe(process.stdout, { end: false })
 *     }
 *
 * An attempt that fails because no process listens, because of the `timeout` (of each attempt), or because descriptors or memory are
 * exhausted, is followed by another one; so is the end of a connection. The delay before it grows from `minDelay` to `maxDelay`, twice as
 * long each time, and its second half is random, so that the clients of a server that restarts do not come all at once. A connection that
 * stayed open for longer than the delay that is due sets it back to `minDelay`.
 *
 * Leaving the loop ends the iteration; the connection that was yielded last stays open. A wait keeps the process alive.
 *
 * `next()` rejects, and ends the iteration, with an AbortError and with every other error of `connect()`. The call throws
 * ERR_UNSUPPORTED_PLATFORM, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and ERR_OUT_OF_RANGE.
 */
export function connections(
  path: UnixSocketPath,
  options?: ConnectionsOptions,
): AsyncGenerator<UnixSocket, void, void> {
  try {
    engine()
    const address = pathFromBytes(resolvePath(path).bytes)!
    const {
      minDelay = 100,
      maxDelay = Math.max(minDelay, 30_000),
      allowHalfOpen = false,
      ...given
    } = connectionsOptions.read(options)
    if (maxDelay < minDelay)
      throw outOfRange('options.maxDelay', `at least options.minDelay, ${minDelay}`, maxDelay)
    return reconnecting(address, { ...given, allowHalfOpen }, new Backoff(minDelay, maxDelay))
  } catch (error) {
    throw atCaller(error, connections)
  }
}

async function* reconnecting(
  path: UnixSocketPath,
  options: ConnectOptions,
  backoff: Backoff,
): AsyncGenerator<UnixSocket, void, void> {
  const { signal } = options
  for (;;) {
    let socket: UnixSocket | undefined
    try {
      socket = await connect(path, options)
    } catch (error) {
      if (!passing.has((error as { code?: unknown }).code)) throw error
      waiting(path, 'retry', error)
    }
    if (socket !== undefined) {
      const opened = monotonicTime()
      // 'close' may come while the loop's body waits.
      let lifetime = 0
      const closed = new Promise<void>(resolve => {
        socket!.once('close', () => {
          lifetime = monotonicTime() - opened
          resolve()
        })
      })
      yield socket
      await unlessAborted(closed, signal)
      backoff.consider(lifetime)
    }
    await sleep(backoff.next(), signal)
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const slept = new Promise<void>(resolve => {
    timer = setTimeout(resolve, Math.min(milliseconds, longestDelay))
  })
  return unlessAborted(slept, signal).finally(() => clearTimeout(timer))
}

/** Settles with `promise`, or rejects with an AbortError before. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return promise
  if (signal.aborted) throw abortError(signal)
  let onAbort: () => void
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(abortError(signal))
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort!)
  }
}
