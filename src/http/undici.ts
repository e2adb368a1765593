/**
 * A connector for undici: sockets of `connect()`, and TLS over them for https origins. Each attempt calls back once, and a failed one
 * leaves no socket.
 */
import { type Socket as NetSocket } from 'node:net'
import { constants } from 'node:os'
import { type Duplex } from 'node:stream'
import { type ConnectionOptions } from 'node:tls'
import { connect, type ConnectOptions, connectRules } from '../connect.js'
import { abortError, atCaller, invalidType, prematureClose, systemError } from '../internal/errors.js'
import { builtin } from '../internal/builtins.js'
import { OptionSet } from '../internal/validation.js'
import { clearTimeout, longestDelay, monotonicTime, setTimeout } from '../internal/scheduling.js'
import { leaveEndToTls } from '../internal/tls.js'
import { pathFromBytes, type ResolvedPath, type UnixSocketPath } from '../path.js'
import { resolveTarget } from './target.js'

/** The argument of a connector. */
export interface UndiciTarget {
  protocol: string
  hostname: string
  servername?: string | null | undefined
}

/** The option `connect` of undici's Client, Pool and Agent. */
export type UndiciConnector = (
  target: UndiciTarget,
  callback: (...result: [error: null, socket: NetSocket] | [error: Error, socket: null]) => void,
) => void

export interface UndiciConnectorOptions extends Omit<ConnectOptions, 'onread' | 'timeout' | 'signal'> {
  /**
   * Milliseconds until ETIMEDOUT, for the connection and the TLS handshake together; Infinity: no limit.
   * Default 10,000, as undici's own connector.
   */
  timeout?: number | undefined
  /** Aborts attempts to connect, the TLS handshake included; undici reports an AbortError. */
  signal?: AbortSignal | undefined
  /** For https origins, as `tls.connect` takes it: `ca`, `ALPNProtocols` and the like. */
  tls?: ConnectionOptions | undefined
}

const { onread: _onread, ...connectorRules } = connectRules
const connectorOptions = new OptionSet<UndiciConnectorOptions>('undiciConnector()', {
  ...connectorRules,
  tls: (name, value) => {
    if (typeof value !== 'object' || value === null) throw invalidType(name, 'an object', value)
  },
})

/** undici's own limit, in milliseconds. */
const defaultTimeout = 10_000

/**
 * Makes undici connect to a path: `new Agent({ connect: undiciConnector('/run/app.sock') })`, likewise for Client and Pool. An
 * https origin gets TLS over the socket, for the origin's name. `options` are those of `connect()`: with `peerUid` no byte is
 * sent to another user's listener. A relative path is completed at the call.
 *
 * undici buffers the bodies that it sends, so `writeLimit` is Infinity by default. undici reports the errors of `connect()` and
 * of TLS.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE.
 */
export function undiciConnector(path: UnixSocketPath, options?: UndiciConnectorOptions): UndiciConnector {
  let resolved: ResolvedPath
  let given: UndiciConnectorOptions
  try {
    resolved = resolveTarget(path)
    given = connectorOptions.read(options)
  } catch (error) {
    throw atCaller(error, undiciConnector)
  }
  const { tls, timeout = defaultTimeout, ...others } = given
  const { display } = resolved
  const { signal } = given
  const address = pathFromBytes(resolved.bytes)!

  return (target, callback) => {
    const deadline = monotonicTime() + timeout
    const settle = (error: Error | null, socket?: Duplex): void =>
      error === null ? callback(null, socket as NetSocket) : callback(error, null)
    connect(address, { writeLimit: Infinity, ...others, timeout }).then(socket => {
      if (target.protocol !== 'https:') {
        settle(null, socket)
        return
      }
      const { servername, hostname } = target
      const handshake = { servername: servername || hostname, ALPNProtocols: ['http/1.1'], ...tls, socket }
      secure(handshake, { deadline, signal, display }, settle)
    }, settle)
  }
}

interface Bounds {
  /** A time of `monotonicTime()`. */
  deadline: number
  signal: AbortSignal | undefined
  display: string
}

/** Makes a TLS client over `options.socket`. Calls back once, when the handshake is done, fails or takes too long. */
function secure(
  options: ConnectionOptions & { socket: Duplex },
  { deadline, signal, display }: Bounds,
  done: (error: Error | null, socket?: Duplex) => void,
): void {
  const { socket } = options
  let secured: Duplex
  try {
    secured = builtin('node:tls').connect(options)
    leaveEndToTls(socket)
  } catch (error) {
    socket.destroy()
    done(error as Error)
    return
  }
  const settle = (error: Error | null): void => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    secured.off('error', settle).off('close', onClose).off('secureConnect', onSecure)
    if (error === null) {
      done(null, secured)
      return
    }
    // undici never gets this socket, so a later error has no other listener.
    secured.on('error', () => {}).destroy()
    socket.destroy()
    done(error)
  }
  const onSecure = (): void => settle(null)
  const onClose = (): void => settle(prematureClose())
  const onAbort = (): void => settle(abortError(signal!))
  const onTimeout = (): void =>
    settle(systemError(-constants.errno.ETIMEDOUT, 'connect', display, 'the TLS handshake took too long'))
  const left = Math.min(Math.max(0, deadline - monotonicTime()), longestDelay)
  // The socket keeps the process alive for as long as the handshake goes on.
  const timer = deadline === Infinity ? undefined : setTimeout(onTimeout, left).unref()
  signal?.addEventListener('abort', onAbort, { once: true })
  secured.once('error', settle).once('close', onClose).once('secureConnect', onSecure)
}
