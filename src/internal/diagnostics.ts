/**
 * The diagnostics channels `udsock:*`, and the log of NODE_DEBUG=udsock, which subscribes to them.
 *
 * - Without subscribers nothing is made: each function asks once per connection or listener.
 * - A close is published in a later tick, not while the engine delivers events.
 */
import { channel } from 'node:diagnostics_channel'
import { debuglog } from 'node:util'
import { failureOf, handleOf } from './hooks.js'
import { pathText } from './inspect.js'
import { monotonicTime, nextTick } from './scheduling.js'

/** What the events of one call share. `duration` is in milliseconds. */
export interface Call {
  readonly path: unknown
  readonly begun: number
  socket?: unknown
  listener?: unknown
  error?: unknown
  duration?: number
}

/** What is used of a socket. */
interface TracedSocket {
  readonly [handleOf]: { onTraced: (() => void) | undefined }
  readonly bytesRead: number
  readonly bytesWritten: number
  /** A socket that is no stream has `failureOf` instead. */
  readonly errored?: Error | null
  readonly [failureOf]?: Error | null
}

/** What is used of a `UnixListener`. */
interface TracedListener {
  on(event: 'drop', listener: (peer: unknown) => void): unknown
  once(event: 'close', listener: () => void): unknown
}

/** The channels of one function, in the shape of `diagnostics_channel.tracingChannel()`. */
class Calls {
  readonly #kind: 'socket' | 'listener'
  readonly #start
  readonly #end
  readonly #asyncStart
  readonly #asyncEnd
  readonly #error

  constructor(name: string, kind: 'socket' | 'listener') {
    this.#kind = kind
    this.#start = channel(`tracing:${name}:start`)
    this.#end = channel(`tracing:${name}:end`)
    this.#asyncStart = channel(`tracing:${name}:asyncStart`)
    this.#asyncEnd = channel(`tracing:${name}:asyncEnd`)
    this.#error = channel(`tracing:${name}:error`)
  }

  /** Returns undefined if the call has no subscriber. */
  begin(path: unknown): Call | undefined {
    const { hasSubscribers } = this.#start
    if (!hasSubscribers && !this.#asyncEnd.hasSubscribers && !this.#error.hasSubscribers) return undefined
    const call: Call = { path, begun: monotonicTime() }
    this.#start.publish(call)
    this.#end.publish(call)
    return call
  }

  succeeded<T>(call: Call | undefined, result: T): T {
    if (call !== undefined) {
      call[this.#kind] = result
      this.#settle(call)
    }
    return result
  }

  failed<E>(call: Call | undefined, error: E): E {
    if (call !== undefined) {
      call.error = error
      this.#error.publish(call)
      this.#settle(call)
    }
    return error
  }

  #settle(call: Call): void {
    call.duration = monotonicTime() - call.begun
    this.#asyncStart.publish(call)
    this.#asyncEnd.publish(call)
  }
}

export const connects = new Calls('udsock:connect', 'socket')
export const listens = new Calls('udsock:listen', 'listener')
export const datagramBinds = new Calls('udsock:bindDatagram', 'socket')
const accepts = channel('udsock:accept')
const refusals = channel('udsock:refuse')
const waits = channel('udsock:wait')
const closes = channel('udsock:close')
const polls = channel('udsock:poll')

/** Reports that a listener has accepted `socket`, and later that this is closed. */
export function accepted<T extends TracedSocket>(socket: T, listener: unknown): T {
  if (accepts.hasSubscribers) accepts.publish({ socket, listener })
  return opened(socket)
}

/** Reports later that `socket` is closed. `shown`: the object that the user has of it. */
export function opened<T extends TracedSocket>(socket: T, shown: object = socket): T {
  if (!closes.hasSubscribers) return socket
  const begun = monotonicTime()
  socket[handleOf].onTraced = () => {
    const { bytesRead, bytesWritten } = socket
    const error = socket[failureOf] ?? socket.errored ?? null
    const message = { socket: shown, duration: monotonicTime() - begun, bytesRead, bytesWritten, error }
    nextTick(() => closes.publish(message))
  }
  return socket
}

/** Reports later the connections that `listener` refuses, and that it is closed. */
export function listened<T extends TracedListener>(
  listener: T,
  handle: { onRefused: (() => void) | undefined },
): T {
  if (!closes.hasSubscribers && !refusals.hasSubscribers) return listener
  const begun = monotonicTime()
  handle.onRefused = () => refusals.publish({ listener, reason: 'allow' })
  listener.on('drop', peer => refusals.publish({ listener, reason: 'limit', peer }))
  listener.once('close', () => closes.publish({ listener, duration: monotonicTime() - begun }))
  return listener
}

/** Reports that a call waits: for room in the backlog, for a listener, or for the next attempt of `connections()`. */
export function waiting(path: unknown, reason: 'backlog' | 'listener' | 'retry', error?: unknown): void {
  if (waits.hasSubscribers) waits.publish({ path, reason, error })
}

/**
 * Reports later that adaptive polling has decided, and what it has polled for since the last report: answers that came, answers that did not, and
 * the microseconds that the polls took.
 */
export function polled(isPolling: boolean, hits: number, rests: number, spun: number): void {
  if (polls.hasSubscribers) nextTick(() => polls.publish({ isPolling, hits, rests, spun }))
}

/* ---------------------------------------------------------------- NODE_DEBUG */

const log = debuglog('udsock')
// Bun's has no `enabled`.
const isLogged = (log.enabled as boolean | undefined) ?? /\budsock\b/i.test(process.env['NODE_DEBUG'] ?? '')

interface Reported {
  readonly path?: unknown
  readonly socket?: { readonly path?: unknown; readonly localPath?: unknown; readonly remotePath?: unknown }
  readonly listener?: { readonly path?: unknown }
  readonly reason?: string
  readonly error?: { readonly message?: string } | null
  readonly duration?: number
  readonly bytesRead?: number
  readonly bytesWritten?: number
}

function nameOf({ path, listener, socket }: Reported): string {
  const own = socket?.localPath ?? socket?.path ?? socket?.remotePath
  // `{ autobind: true }` of `bindDatagram()` is no path.
  const isPath = typeof path !== 'object' || path === null || !('autobind' in path)
  return pathText((isPath ? path : undefined) ?? listener?.path ?? own) ?? '(no path)'
}

function writeLog(name: string, text: (message: Reported) => string): void {
  channel(name).subscribe(message => log('%s', text(message as Reported)))
}

if (isLogged) {
  const failure = ({ error }: Reported): string => (error ? `: ${error.message}` : '')
  const time = ({ duration = 0 }: Reported): string => `${duration.toFixed(1)} ms`
  for (const name of ['connect', 'listen', 'bindDatagram']) {
    writeLog(`tracing:udsock:${name}:start`, call => `${name} ${nameOf(call)}`)
    writeLog(
      `tracing:udsock:${name}:asyncEnd`,
      call => `${name} ${nameOf(call)} ${call.error ? 'failed' : 'done'} in ${time(call)}${failure(call)}`,
    )
  }
  writeLog('udsock:accept', event => `accept ${nameOf(event)}`)
  writeLog('udsock:refuse', event => `refuse ${nameOf(event)} by ${event.reason}`)
  writeLog('udsock:wait', event => `wait ${nameOf(event)} for ${event.reason}${failure(event)}`)
  writeLog('udsock:poll', event => {
    const { isPolling, hits, rests, spun } = event as unknown as Record<string, number>
    return `poll ${isPolling ? 'on' : 'off'}; before: ${hits} answers, ${rests} rests, ${spun} us spun`
  })
  writeLog('udsock:close', event => {
    const bytes = event.socket ? `, ${event.bytesRead} bytes read, ${event.bytesWritten} written` : ''
    return `close ${event.socket ? 'socket' : 'listener'} ${nameOf(event)} after ${time(event)}${bytes}${failure(event)}`
  })
}
