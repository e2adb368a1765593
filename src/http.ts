/**
 * HTTP clients over paths: agents for node:http and node:https, and a connector for undici. Servers need none: hand what a
 * listener accepts to `server.emit('connection', socket)`.
 */
import http, { type AgentOptions } from 'node:http'
import https, { type AgentOptions as HttpsAgentOptions } from 'node:https'
import { type Socket as NetSocket } from 'node:net'
import { type Duplex } from 'node:stream'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { types } from 'node:util'
import { connect, type ConnectOptions } from './connect.js'
import { socketOptions } from './connection.js'
import { invalidType, invalidValue } from './errors.js'
import { expectedUids } from './identity.js'
import { connect as connectNet, exactAddress, type Socket } from './net/socket.js'
import { pathFromBytes, type ResolvedPath, resolvePath, type UnixSocketPath } from './path.js'
import { validateMilliseconds, validateOptions, validateSignal } from './validate.js'

type Options = Record<string, unknown>
type Connected = (error: Error | null, socket: Duplex) => void

/** Beside paths what node:http takes as `socketPath`: a string with a leading zero byte, which is an abstract name. */
function resolve(path: unknown): ResolvedPath {
  return resolvePath(typeof path === 'string' && path.startsWith('\0') ? Buffer.from(path) : path)
}

/** Where an agent's connections go. */
class Target {
  readonly #resolved: ResolvedPath | undefined

  constructor(path: unknown) {
    this.#resolved = path === undefined ? undefined : resolve(path)
  }

  /** Paths have pools of their own: the same text for the same bytes. A path that is no use is told by `connect()`. */
  nameable(options: Options | undefined): Options {
    const path = options?.['socketPath'] ?? this.#resolved?.bytes
    const bytes = typeof path === 'string' || types.isUint8Array(path) ? Buffer.from(path) : undefined
    return { ...options, socketPath: bytes?.toString('latin1') ?? path }
  }

  connect(options: Options): Socket {
    const given = options['socketPath']
    const resolved = given === undefined || given === null ? this.#resolved : resolve(given)
    if (resolved === undefined)
      throw invalidValue('options.socketPath', 'it is missing, and the agent has no path either')
    const { bytes, display } = resolved
    const { fd: _fd, onread: _onread, ...kept } = options
    return connectNet({ ...kept, path: display, [exactAddress]: bytes } as { path: string })
  }
}

/** What `new Agent` and `new HttpsAgent` take: a path and options, or options, of which `socketPath` may be one. */
function targetAndOptions<T extends object>(
  first: unknown,
  second: unknown,
): { target: Target; options: T | undefined } {
  const isBag = typeof first === 'object' && !types.isUint8Array(first) && !(first instanceof URL)
  const path = isBag ? undefined : first
  const options = isBag ? first : second
  validateOptions(options)
  // Node's agents let their own options overrule those of a request.
  const { socketPath, ...others } = options ?? {}
  if (path !== undefined && socketPath !== undefined)
    throw invalidValue('options.socketPath', 'there is a path before it')
  return { target: new Target(path ?? socketPath), options: others as T }
}

/** Calls back, so that the request gets an error that is told at once, as it gets those that come later. */
function hand<T extends Duplex>(make: () => T, callback: Connected | undefined): T | undefined {
  try {
    return make()
  } catch (error) {
    if (callback === undefined) throw error
    callback(error as Error, undefined as never)
    return undefined
  }
}

/** Options of an agent of node:http, and where its connections go. */
export interface UnixAgentOptions extends AgentOptions {
  /** For requests without a `socketPath` of their own. */
  socketPath?: UnixSocketPath | undefined
}

/** The same for node:https. */
export interface UnixHttpsAgentOptions extends HttpsAgentOptions {
  /** For requests without a `socketPath` of their own. */
  socketPath?: UnixSocketPath | undefined
}

/**
 * An agent for node:http whose connections go to a path: `new Agent('/run/app.sock', { keepAlive: true })`, or
 * `new Agent({ socketPath: '/run/app.sock' })`. A relative path is completed when the agent is made; a string with a leading
 * zero byte is an abstract name, as for node:net. A request's own `socketPath` goes before the agent's. The options are
 * those of `http.Agent`, and each path has its own pool.
 *
 * The sockets are those of `udsock/net`: a listener whose backlog is full is waited for, until the request is destroyed. What
 * fails is emitted by the request as 'error' (`code`, `errno`, `syscall` 'connect', `address`), also a `socketPath` that is
 * no use, or is nowhere.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, and what `http.Agent` throws.
 */
export class Agent extends http.Agent {
  readonly #target: Target

  constructor(path: UnixSocketPath, options?: AgentOptions)
  constructor(options?: UnixAgentOptions)
  constructor(first?: UnixSocketPath | UnixAgentOptions, second?: AgentOptions) {
    const { target, options } = targetAndOptions<AgentOptions>(first, second)
    super(options)
    this.#target = target
  }

  /** As of `http.Agent`, and for each path another. */
  override getName(options?: http.ClientRequestArgs): string {
    return super.getName(this.#target.nameable(options as Options))
  }

  /** @internal Called by node:http. */
  override createConnection(options: http.ClientRequestArgs, callback?: Connected): Duplex | undefined {
    return hand(() => this.#target.connect(options as Options), callback)
  }
}

/**
 * An agent for node:https whose connections go to a path, as `Agent`; the options are those of `https.Agent`. The name in the
 * certificate is compared with the request's `servername`, or else its host.
 */
export class HttpsAgent extends https.Agent {
  readonly #target: Target

  constructor(path: UnixSocketPath, options?: HttpsAgentOptions)
  constructor(options?: UnixHttpsAgentOptions)
  constructor(first?: UnixSocketPath | UnixHttpsAgentOptions, second?: HttpsAgentOptions) {
    const { target, options } = targetAndOptions<HttpsAgentOptions>(first, second)
    super(options)
    this.#target = target
  }

  /** As of `https.Agent`, and for each path another. */
  override getName(options?: https.RequestOptions): string {
    return super.getName(this.#target.nameable(options as Options))
  }

  /** @internal Called by node:https. */
  override createConnection(options: https.RequestOptions, callback?: Connected): Duplex | undefined {
    const secure = (): Duplex => {
      const socket = this.#target.connect(options as Options) as unknown as NetSocket
      return super.createConnection({ ...options, socket } as https.RequestOptions, callback) as Duplex
    }
    return hand(secure, callback)
  }
}

/** What undici tells its connector. */
export interface UndiciTarget {
  protocol: string
  hostname: string
  servername?: string | null | undefined
}

/** What undici takes as the option `connect` of a Client, a Pool or an Agent. */
export type UndiciConnector = (
  target: UndiciTarget,
  callback: (...result: [error: null, socket: NetSocket] | [error: Error, socket: null]) => void,
) => void

export interface UndiciConnectorOptions extends Omit<ConnectOptions, 'onread'> {
  /** For https origins, as `tls.connect` takes it: `ca`, `ALPNProtocols` and the like. */
  tls?: ConnectionOptions | undefined
}

/**
 * Has undici connect to a path: `new Agent({ connect: undiciConnector('/run/app.sock') })`, and so for Client and Pool. An
 * https origin gets TLS over the socket, for the origin's name. `options` are those of `connect()`: by `peerUid` no byte is
 * sent to a stranger's listener. A relative path is completed now.
 *
 * undici holds the bodies that it sends, so `writeLimit` is Infinity unless told otherwise. Errors, those of `connect()` and
 * of TLS, are undici's to report.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE.
 */
export function undiciConnector(path: UnixSocketPath, options?: UndiciConnectorOptions): UndiciConnector {
  const { bytes } = resolve(path)
  const given = { writeLimit: Infinity, ...options }
  const { tls, ...connecting } = given
  socketOptions(options)
  expectedUids(given.peerUid)
  validateSignal(given.signal)
  validateMilliseconds('options.timeout', given.timeout)
  if (tls !== undefined && (typeof tls !== 'object' || tls === null))
    throw invalidType('options.tls', 'an object', tls)
  const address = pathFromBytes(bytes)!

  return (target, callback) => {
    const settle = (socket: Duplex): void => callback(null, socket as NetSocket)
    connect(address, connecting).then(
      socket => {
        if (target.protocol === 'https:') secured(socket, target, tls, settle, callback)
        else settle(socket)
      },
      (error: Error) => callback(error, null),
    )
  }
}

function secured(
  socket: Duplex,
  { servername, hostname }: UndiciTarget,
  tls: ConnectionOptions | undefined,
  done: (socket: Duplex) => void,
  failed: (error: Error, socket: null) => void,
): void {
  const onError = (error: Error): void => failed(error, null)
  const options = { servername: servername || hostname, ALPNProtocols: ['http/1.1'], ...tls }
  const secure = connectTls({ ...options, socket })
  secure.once('error', onError)
  secure.once('secureConnect', () => {
    secure.off('error', onError)
    done(secure)
  })
}
