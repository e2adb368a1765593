import { AsyncResource } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { chmodSync, statSync } from 'node:fs'
import { type DropArgument, type ListenOptions, type ServerOpts } from 'node:net'
import { constants } from 'node:os'
import { promisify } from 'node:util'
import { Connection, type KeptOptions } from '../connection.js'
import { type Endpoint, type Engine, engine, Kind } from '../engine.js'
import { invalidType, invalidValue } from '../errors.js'
import { isShortage, stillPaused } from '../overload.js'
import { mayListen, mayWiden } from '../permission.js'
import { validateSignal } from '../validate.js'
import {
  addressOf,
  backlogOf,
  type Callback,
  defaultHighWaterMark,
  isPathName,
  normalizeArguments,
  type Options,
  validateNumber,
} from './arguments.js'
import { callable } from './callable.js'
import { alreadyListening, callFailed, listenFailed, notRunning, tcpRefused } from './errors.js'
import { acceptedSocket, keptOptions, type Socket } from './socket.js'

/** The arguments of a server's events. */
export interface ServerEvents {
  listening: []
  connection: [socket: Socket]
  drop: [data?: DropArgument]
  error: [error: Error]
  close: []
}

/** Accepts in a row before the event loop has its turn. */
const acceptsPerTurn = 64
const { EACCES, EAGAIN, EBADF, ENOENT } = constants.errno
const serverSockets = channel('net.server.socket')
const listenStart = channel('tracing:net.server.listen:asyncStart')
const listenEnd = channel('tracing:net.server.listen:asyncEnd')
const listenError = channel('tracing:net.server.listen:error')

/**
 * Listens on a path, as `net.Server` does: accepts whoever comes. Source: class net.Server of Node's documentation.
 *
 * Emits 'listening', 'connection', 'drop', 'error' and 'close'. The file is removed on close, if it is still this server's,
 * and at the end of the process.
 */
class PathServer extends EventEmitter<ServerEvents> implements Endpoint, AsyncDisposable {
  /** Of the accepted sockets: does the writable side stay open after the peer's end? Default false. */
  allowHalfOpen: boolean
  /** Are the accepted sockets paused until `resume()`? Default false. */
  pauseOnConnect: boolean
  /** Means nothing on a path. */
  noDelay: boolean
  /** Means nothing on a path. */
  keepAlive: boolean
  /** Means nothing on a path. */
  keepAliveInitialDelay: number
  /** Bytes that each direction of the accepted sockets buffers. Default: as streams of Node. */
  highWaterMark: number
  /** Connections beyond so many are closed, with 'drop'. Default undefined: no limit. */
  declare maxConnections: number | undefined
  /** Means nothing on a path. */
  declare dropMaxConnection: boolean | undefined
  /** @internal Accepted and not closed yet, by the name that libraries know. */
  _connections = 0
  /** What `address()` says. */
  #path: string | null = null
  #engine: Engine | undefined
  #id: number | undefined
  #resource: AsyncResource | undefined
  #referenced = true
  /** Accepts again, later. */
  #unschedule: (() => void) | undefined

  constructor(options?: ServerOpts | Callback | null, listener?: Callback) {
    super()
    if (typeof options !== 'function' && typeof options !== 'object' && options !== undefined)
      throw invalidType('options', 'an object', options)
    const given: Options = typeof options === 'function' ? {} : { ...options }
    const onConnection = typeof options === 'function' ? options : listener
    if (typeof onConnection === 'function') this.on('connection', onConnection)
    validateNumber('options.keepAliveInitialDelay', given['keepAliveInitialDelay'])
    validateNumber('options.highWaterMark', given['highWaterMark'])
    const highWaterMark = (given['highWaterMark'] ?? -1) as number
    this.allowHalfOpen = (given['allowHalfOpen'] || false) as boolean
    this.pauseOnConnect = Boolean(given['pauseOnConnect'])
    this.noDelay = Boolean(given['noDelay'])
    this.keepAlive = Boolean(given['keepAlive'])
    this.keepAliveInitialDelay = Math.trunc(
      Math.max(0, (given['keepAliveInitialDelay'] ?? 0) as number) / 1000,
    )
    this.highWaterMark = highWaterMark < 0 ? defaultHighWaterMark() : highWaterMark
  }

  /* ---------------------------------------------------------------- listening */

  /** Does it listen? */
  get listening(): boolean {
    return this.#id !== undefined
  }

  /** The path that it was told to listen on last; null: none. */
  address(): string | null {
    return this.#path
  }

  /**
   * Listens: `listen(path, backlog?, callback?)`, `listen({ path, backlog, signal, readableAll, writableAll }, callback?)`,
   * or `listen({ fd }, callback?)` on a listening Unix-domain socket of this process. The backlog is 511 unless told
   * otherwise. The file exists when `listen()` returns; 'listening' or 'error' (`code`, `errno`, `syscall` 'listen',
   * `address`) follows, and `callback` is called on 'listening'.
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
    const { fd, path } = options
    if (typeof fd === 'number' && fd >= 0) {
      this.#start(own => (Number.isInteger(fd) && fd < 2 ** 31 ? own.reactor.adopt(fd) : -EBADF), null)
      return this
    }
    if (isTcp(options, args)) throw tcpRefused()
    if (!isPathName(path) || path === '')
      throw invalidValue('options', "it has neither a 'path', which is a string, nor an 'fd'")
    this.#listenOn(path, backlogOf(options, args), options)
    return this
  }

  #listenOn(path: string, backlog: number, { readableAll, writableAll }: Options): void {
    const isAbstract = path.startsWith('\0')
    if (isAbstract && (readableAll || writableAll))
      throw invalidValue('options', 'an abstract name has no permissions for readableAll and writableAll')
    this.#path = path
    const address = addressOf(path)
    const widening = (readableAll === true ? 0o444 : 0) | (writableAll === true ? 0o222 : 0)
    const isListening = this.#start(own => {
      mayListen(address, path)
      if (widening !== 0) mayWiden(path)
      return own.reactor.listenNow(address, backlog)
    }, path)
    // Node widens the file's mode when it is there, too.
    if (isListening && widening !== 0) chmodSync(path, (statSync(path).mode & 0o777) | widening)
  }

  #start(begin: (own: Engine) => number, path: string | null): boolean {
    const own = engine()
    const outcome = begin(own)
    if (outcome < 0) {
      // Node's word for a missing directory.
      const error = listenFailed(outcome === -ENOENT ? -EACCES : outcome, path)
      if (listenError.hasSubscribers) listenError.publish({ server: this, error })
      process.nextTick(() => this.emit('error', error))
      return false
    }
    this.#engine = own
    this.#id = outcome
    this.#resource = new AsyncResource('UnixListener')
    own.attach(outcome, this)
    if (this.#referenced) own.hold()
    if (listenEnd.hasSubscribers) listenEnd.publish({ server: this })
    process.nextTick(() => {
      if (this.listening) this.emit('listening')
    })
    return true
  }

  #obey(signal: unknown): void {
    validateSignal(signal)
    if (signal === undefined) return
    const close = (): void => void this.close()
    if (signal.aborted) {
      process.nextTick(close)
      return
    }
    signal.addEventListener('abort', close, { once: true })
    this.once('close', () => signal.removeEventListener('abort', close))
  }

  /* ---------------------------------------------------------------- accepting */

  /** @internal */
  onEvent(kind: number, value: number): void {
    if (kind === Kind.error)
      this.#resource?.runInAsyncScope(() => this.emit('error', callFailed(value, 'accept')))
    else this.#accept()
  }

  readonly #accept = (): void => {
    this.#unschedule?.()
    this.#unschedule = undefined
    this.#resource?.runInAsyncScope(this.#acceptMany, this)
  }

  #acceptMany(): void {
    // Also if a listener throws: no edge tells of who waits already.
    let hasMore = true
    try {
      for (let accepts = 0; hasMore && accepts < acceptsPerTurn; accepts++) hasMore = this.#acceptOne()
    } finally {
      if (hasMore) this.#acceptAfter(0)
    }
  }

  /** May there be more? */
  #acceptOne(): boolean {
    if (this.#id === undefined || this.#engine === undefined) return false
    const accepted = this.#engine.raw.accept(this.#id)
    if (accepted === -EAGAIN) return false
    if (accepted === stillPaused || isShortage(accepted)) {
      this.#acceptAfter(this.#engine.reactor.pausedFor(this.#id))
      return false
    }
    if (accepted < 0) {
      this.emit('error', callFailed(accepted, 'accept'))
      return true
    }
    // Node 20 takes 0 for no limit; later ones for none at all.
    if (typeof this.maxConnections === 'number' && this._connections >= this.maxConnections) {
      this.emit('drop')
      this.#engine.close(accepted)
      return true
    }
    this.#hand(accepted, this.#engine)
    return true
  }

  #hand(id: number, own: Engine): void {
    this._connections++
    const { allowHalfOpen, highWaterMark } = this
    const kept = this.#kept(allowHalfOpen, highWaterMark)
    const resource = new AsyncResource('UnixSocket')
    const paths = this.#path === null ? {} : { localPath: this.#path }
    const connection = new Connection(own, id, kept, resource, paths, this.#onConnectionClosed)
    const socket = acceptedSocket(connection, this.pauseOnConnect)
    socket.server = socket._server = this as Server
    this.emit('connection', socket)
    if (serverSockets.hasSubscribers) serverSockets.publish({ socket })
  }

  #lastKept: KeptOptions | undefined

  /** Accepted sockets share their options until these change. */
  #kept(allowHalfOpen: boolean, highWaterMark: number): KeptOptions {
    const stream = this.#lastKept?.stream
    if (stream?.allowHalfOpen !== Boolean(allowHalfOpen) || stream.readableHighWaterMark !== highWaterMark)
      this.#lastKept = keptOptions({
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

  #acceptAfter(milliseconds: number): void {
    if (this.#unschedule !== undefined || this.#id === undefined) return
    if (milliseconds === 0) {
      const immediate = setImmediate(this.#accept)
      this.#unschedule = () => clearImmediate(immediate)
    } else {
      const timer = setTimeout(this.#accept, milliseconds).unref()
      this.#unschedule = () => clearTimeout(timer)
    }
  }

  /** Calls back with the number of connections that are open. */
  getConnections(callback: (error: Error | null, connections: number) => void): this {
    process.nextTick(callback, null, this._connections)
    return this
  }

  /* ---------------------------------------------------------------- closing */

  /**
   * Stops listening, and removes the file, at once. 'close' follows when every connection has ended, and `callback` is called
   * then; with ERR_SERVER_NOT_RUNNING if it did not listen.
   */
  close(callback?: (error?: Error) => void): this {
    if (typeof callback === 'function') {
      if (this.listening) this.once('close', callback)
      else this.once('close', () => callback(notRunning()))
    }
    const id = this.#id
    if (id !== undefined && this.#engine !== undefined) {
      this.#id = undefined
      this.#unschedule?.()
      this.#unschedule = undefined
      this.#engine.reactor.removeFileNow(id)
      this.#engine.close(id)
      if (this.#referenced) this.#engine.release()
    }
    this._emitCloseIfDrained()
    return this
  }

  /** @internal */
  _emitCloseIfDrained(): void {
    if (this.listening || this._connections > 0) return
    process.nextTick(() => this.emit('close'))
  }

  /** Closes, and waits for the end of every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.listening) await promisify(this.close).call(this)
  }

  /** Of an async listener that failed: its socket is destroyed. Source: `captureRejections` of node:events. */
  override [EventEmitter.captureRejectionSymbol](error: Error, event: unknown, ...args: unknown[]): void {
    if (event === 'connection') (args[0] as Socket).destroy(error)
    else this.emit('error', error)
  }

  /** A server that listens keeps the process alive. The default. */
  ref(): this {
    if (!this.#referenced && this.listening) this.#engine?.hold()
    this.#referenced = true
    return this
  }

  unref(): this {
    if (this.#referenced && this.listening) this.#engine?.release()
    this.#referenced = false
    return this
  }
}

/** Does Node listen on a port, given this? */
function isTcp(options: Options, args: readonly unknown[]): boolean {
  const { port } = options
  if (args.length === 0 || typeof args[0] === 'function' || port === null) return true
  return typeof port === 'number' || typeof port === 'string' || (port === undefined && 'port' in options)
}

/** Callable without `new`, too. */
export interface ServerConstructor {
  new (listener?: (socket: Socket) => void): PathServer
  new (options?: ServerOpts | null, listener?: (socket: Socket) => void): PathServer
  (listener?: (socket: Socket) => void): PathServer
  (options?: ServerOpts | null, listener?: (socket: Socket) => void): PathServer
  readonly prototype: PathServer
}

export const Server = callable(PathServer, 'Server') as unknown as ServerConstructor
export type Server = PathServer

/** A server; `listener` is called on 'connection'. */
export function createServer(listener?: (socket: Socket) => void): Server
export function createServer(options?: ServerOpts | null, listener?: (socket: Socket) => void): Server
export function createServer(options?: unknown, listener?: unknown): Server {
  return new PathServer(options as ServerOpts, listener as Callback)
}
