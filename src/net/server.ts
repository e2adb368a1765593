/**
 * `net.Server` on a path: accepts every connection and emits it. The acceptor is the one of `listen()`.
 *
 * - The server has an acceptor while it listens. It may listen again after `close()`, while earlier connections are open.
 * - `_connections` counts all open connections, earlier ones included; 'close' comes when the server does not listen and there is none.
 */
import { accepted } from '../internal/diagnostics.js'
import { EventEmitter } from 'node:events'
import { type BlockList, type ListenOptions, type Server as NetServer, type ServerOpts } from 'node:net'
import { constants } from 'node:os'
import { inspect, promisify } from 'node:util'
import { Acceptor } from '../internal/acceptor.js'
import { makeAssignable } from '../internal/assignable.js'
import { type Engine, engine } from '../internal/engine.js'
import { invalidType } from '../internal/errors.js'
import { Handle } from '../internal/handle.js'
import { type InspectContext, inspected } from '../internal/inspect.js'
import { ListenHandle } from '../internal/listen-handle.js'
import { Resource } from '../internal/resource.js'
import { nextTick, setImmediate } from '../internal/scheduling.js'
import { type InternalSocketOptions } from '../internal/socket-options.js'
import { validateSignal } from '../internal/validation.js'
import {
  type Callback,
  defaultHighWaterMark,
  normalizeArguments,
  type Options,
  validateNumber,
} from './arguments.js'
import { callable } from './callable.js'
import { listenEnd, listenError, listenStart, serverSockets } from './channels.js'
import { alreadyListening, callFailed, listenFailed, notRunning } from './errors.js'
import { ServerHandle } from './handle.js'
import { addMode, listenTarget } from './listen-call.js'
import { ServerEmitter, type ServerEvents } from './server-emitter.js'
import { acceptedSocket, type Socket } from './socket.js'
import { internalOptions } from './socket-options.js'
import { throwAtCaller } from './throwing-methods.js'
import { blockListOf } from './unused-options.js'

/** Connections that are handed over in one turn. */
const connectionsPerTurn = 64
const { EACCES, ENOENT } = constants.errno

/**
 * Listens on a path, as `net.Server` does, and accepts every connection. Source: class net.Server of Node's documentation.
 *
 * Emits 'listening', 'connection', 'drop', 'error' and 'close'. The file is removed on close, if it is still this server's,
 * and when the process exits.
 */
class PathServer extends ServerEmitter implements AsyncDisposable {
  /** Whether an accepted socket's writable side stays open after the peer's end. Default false. */
  allowHalfOpen: boolean
  /** Whether accepted sockets are paused until `resume()`. Default false. */
  pauseOnConnect: boolean
  /** Has no effect on a path. */
  noDelay: boolean
  /** Has no effect on a path. */
  keepAlive: boolean
  /** Has no effect on a path. */
  keepAliveInitialDelay: number
  /** Bytes that each direction of an accepted socket buffers. Default: as streams of Node. */
  highWaterMark: number
  /** The most open connections; a connection beyond is closed, with 'drop'. Default undefined: no limit. */
  declare maxConnections: number | undefined
  /** Has no effect on a path. */
  declare dropMaxConnection: boolean | undefined
  /** Has no effect on a path. */
  declare blockList: BlockList | undefined
  /** @internal Count of open connections, by the name that libraries use. */
  _connections = 0
  /** The path that `address()` returns. */
  #path: string | null = null
  /** Undefined while it does not listen. */
  #acceptor: Acceptor | undefined
  #isReferenced = true
  #serverHandle: ServerHandle | undefined
  #lastKept: InternalSocketOptions | undefined

  constructor(options?: ServerOpts | Callback | null, listener?: Callback, existing?: unknown) {
    super(existing)
    if (typeof options !== 'function' && typeof options !== 'object' && options !== undefined)
      throw invalidType('options', 'an object', options)
    const given: Options = typeof options === 'function' ? {} : { ...options }
    const onConnection = typeof options === 'function' ? options : listener
    if (typeof onConnection === 'function') this.on('connection', onConnection)
    validateNumber('options.keepAliveInitialDelay', given['keepAliveInitialDelay'])
    validateNumber('options.highWaterMark', given['highWaterMark'])
    const blockList = blockListOf(given)
    if (blockList !== undefined) this.blockList = blockList
    const highWaterMark = (given['highWaterMark'] ?? -1) as number
    this.allowHalfOpen = (given['allowHalfOpen'] || false) as boolean
    this.pauseOnConnect = Boolean(given['pauseOnConnect'])
    this.noDelay = Boolean(given['noDelay'])
    this.keepAlive = Boolean(given['keepAlive'])
    this.keepAliveInitialDelay = ~~(Math.max(0, (given['keepAliveInitialDelay'] ?? 0) as number) / 1000)
    this.highWaterMark = highWaterMark < 0 ? defaultHighWaterMark() : highWaterMark
  }

  // Listening.

  /** Whether the server listens. */
  get listening(): boolean {
    return this.#acceptor !== undefined
  }

  /** @internal An object while the server listens and null otherwise, by the name that programs test. */
  get _handle(): ServerHandle | null {
    if (!this.listening) return null
    return (this.#serverHandle ??= new ServerHandle({
      close: () => this.#stop(),
      ref: () => this.ref(),
      unref: () => this.unref(),
      hasRef: () => this.#isReferenced && this.listening,
    }))
  }

  /** Returns the path of the last `listen()`; null if there was none. */
  address(): string | null {
    return this.#path
  }

  /**
   * Listens: `listen(path, backlog?, callback?)`, `listen({ path, backlog, signal, readableAll, writableAll }, callback?)`,
   * or `listen({ fd }, callback?)` on a listening Unix-domain socket of this process. The backlog is 511 by default.
   * The file exists when `listen()` returns. 'listening' or 'error' (`code`, `errno`, `syscall` 'listen', `address`) follows, and
   * `callback` is called on 'listening'.
   *
   * @throws ERR_SERVER_ALREADY_LISTEN; ERR_INVALID_ARG_VALUE, also for a port, which node:net takes; ERR_ACCESS_DENIED.
   */
  listen(path: string, backlog?: number, callback?: () => void): this
  listen(path: string, callback?: () => void): this
  listen(options: ListenOptions | { fd: number }, callback?: () => void): this
  listen(...args: unknown[]): this {
    const [options, callback] = normalizeArguments(args)
    if (this.listening) throw alreadyListening()
    if (listenStart.hasSubscribers) listenStart.publish({ server: this, options })
    if (callback !== null) this.once('listening', callback)
    this.#obey(options['signal'])
    const target = listenTarget(options, args)
    if (target.path !== null) this.#path = target.path
    if (this.#start(target.listen, target.path)) addMode(target)
    return this
  }

  /** Returns whether it listens now; emits 'listening' or 'error' later. */
  #start(begin: (own: Engine) => number, path: string | null): boolean {
    const own = engine()
    const outcome = begin(own)
    if (outcome < 0) {
      // libuv reports a missing directory as EACCES.
      const error = listenFailed(outcome === -ENOENT ? -EACCES : outcome, path)
      if (listenError.hasSubscribers) listenError.publish({ server: this, error })
      nextTick(() => this.emit('error', error))
      return false
    }
    const handle = new ListenHandle(own, outcome, new Resource('UnixListener'))
    this.#acceptor = new Acceptor(handle, {
      perTurn: connectionsPerTurn,
      serveNext: () => this.#serveNext(),
      refuses: undefined,
      onError: errno => void this.emit('error', callFailed(errno, 'accept')),
      onExhaustion: () => {},
    })
    if (this.#isReferenced) this.#acceptor.ref()
    if (listenEnd.hasSubscribers) listenEnd.publish({ server: this })
    nextTick(() => {
      if (this.listening) this.emit('listening')
    })
    return true
  }

  #obey(signal: unknown): void {
    validateSignal('options.signal', signal)
    if (signal === undefined) return
    const close = (): void => void this.close()
    if (signal.aborted) {
      nextTick(close)
      return
    }
    signal.addEventListener('abort', close, { once: true })
    this.once('close', () => signal.removeEventListener('abort', close))
  }

  // Accepting.

  /** Takes a connection and emits 'connection'; returns whether there may be more. */
  #serveNext(): boolean {
    const acceptor = this.#acceptor
    const id = acceptor?.take()
    if (acceptor === undefined || id === undefined) return false
    if (id < 0) {
      this.emit('error', callFailed(id, 'accept'))
      return true
    }
    const { engine: own } = acceptor.handle
    // Node 20 takes 0 for no limit; later versions for a limit of 0.
    if (typeof this.maxConnections === 'number' && this._connections >= this.maxConnections) {
      own.close(id)
      this.emit('drop')
      return true
    }
    this.#hand(id, own)
    return true
  }

  #hand(id: number, own: Engine): void {
    this._connections++
    const { allowHalfOpen, highWaterMark } = this
    const kept = this.#kept(allowHalfOpen, highWaterMark)
    const resource = new Resource('UnixSocket')
    const handle = new Handle(own, id, kept, resource, {
      localPath: this.#path ?? undefined,
      onClosed: this.#onConnectionClosed,
    })
    const socket = accepted(acceptedSocket(handle, this.pauseOnConnect), this)
    socket.server = socket._server = this as unknown as Server
    this.emit('connection', socket as unknown as Socket)
    if (serverSockets.hasSubscribers) serverSockets.publish({ socket })
  }

  /** Returns the options of an accepted socket. Sockets share the object until the options change. */
  #kept(allowHalfOpen: boolean, highWaterMark: number): InternalSocketOptions {
    const stream = this.#lastKept?.stream
    if (stream?.allowHalfOpen !== Boolean(allowHalfOpen) || stream.readableHighWaterMark !== highWaterMark)
      this.#lastKept = internalOptions({
        allowHalfOpen,
        readableHighWaterMark: highWaterMark,
        writableHighWaterMark: highWaterMark,
      })
    return this.#lastKept!
  }

  readonly #onConnectionClosed = (): void => {
    this._connections--
    this._emitCloseIfDrained()
  }

  /** Calls back with the count of open connections. */
  getConnections(callback: (error: Error | null, connections: number) => void): this {
    nextTick(callback, null, this._connections)
    return this
  }

  // Closing.

  /**
   * Stops listening and removes the file, at once. While another process keeps the directory locked, the file is removed later; it stays
   * after 5 s, or if the process ends before.
   *
   * 'close' follows when every connection has ended, and `callback` is called then; with ERR_SERVER_NOT_RUNNING if the server did not listen.
   */
  close(callback?: (error?: Error) => void): this {
    if (typeof callback === 'function') {
      if (this.listening) this.once('close', callback)
      else this.once('close', () => callback(notRunning()))
    }
    this.#stop()
    this._emitCloseIfDrained()
    return this
  }

  #stop(): void {
    const acceptor = this.#acceptor
    if (acceptor === undefined) return
    this.#acceptor = undefined
    acceptor.closeNow()
    // Node's handle closes in a turn of its own: a server that is closed in 'beforeExit' brings that event again.
    setImmediate(() => {})
  }

  /** @internal */
  _emitCloseIfDrained(): void {
    if (this.listening || this._connections > 0) return
    nextTick(() => this.emit('close'))
  }

  /** Shows the path, whether the server listens, and the count of connections. */
  [inspect.custom](depth: number, options: InspectContext): unknown {
    const fields = (): Record<string, unknown> => ({
      path: this.#path?.replace(/^\0/, '@'),
      state: this.listening ? 'listening' : 'closed',
      connections: this._connections,
    })
    return inspected(this, fields, depth, options)
  }

  /** Closes the server and waits for the end of every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.listening) await promisify(this.close).call(this)
  }

  /** Destroys the socket whose async listener has failed. Source: `captureRejections` of node:events. */
  override [EventEmitter.captureRejectionSymbol](error: Error, event: unknown, ...args: unknown[]): void {
    if (event === 'connection') (args[0] as Socket).destroy(error)
    else this.emit('error', error)
  }

  /** Keeps the process alive while the server listens. The default. */
  ref(): this {
    this.#isReferenced = true
    this.#acceptor?.ref()
    return this
  }

  /** Lets the process end though the server listens. */
  unref(): this {
    this.#isReferenced = false
    this.#acceptor?.unref()
    return this
  }
}

/** The class, which may be called without `new`. */
export interface ServerConstructor {
  new (listener?: (socket: Socket) => void): Server
  new (options?: ServerOpts | null, listener?: (socket: Socket) => void): Server
  (listener?: (socket: Socket) => void): Server
  (options?: ServerOpts | null, listener?: (socket: Socket) => void): Server
  readonly prototype: Server
}

makeAssignable(PathServer.prototype, ['_handle'])
throwAtCaller(PathServer.prototype, 'listen')

export const Server = callable(PathServer, 'Server') as unknown as ServerConstructor
/** A server, which is assignable to one of node:net with any version of @types/node. */
export interface Server extends NetServer {
  on<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): this
  on(event: string | symbol, listener: (...args: any[]) => void): this
  once<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): this
  once(event: string | symbol, listener: (...args: any[]) => void): this
  addListener<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): this
  addListener(event: string | symbol, listener: (...args: any[]) => void): this
  prependListener<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): this
  prependListener(event: string | symbol, listener: (...args: any[]) => void): this
  prependOnceListener<E extends keyof ServerEvents>(
    event: E,
    listener: (...args: ServerEvents[E]) => void,
  ): this
  prependOnceListener(event: string | symbol, listener: (...args: any[]) => void): this
}
