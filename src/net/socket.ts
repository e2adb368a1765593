import { AsyncResource } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import { type IpcNetConnectOpts, type IpcSocketConnectOpts, type SocketConstructorOpts } from 'node:net'
import { constants } from 'node:os'
import { addAbortSignal, Duplex, type DuplexOptions } from 'node:stream'
import { types } from 'node:util'
import { Connection, type KeptOptions } from '../connection.js'
import { type Engine, engine, unconnected } from '../engine.js'
import { invalidType, invalidValue } from '../errors.js'
import { type OnRead } from '../inbox.js'
import { pathFromBytes } from '../path.js'
import { mayConnect } from '../permission.js'
import { type SocketReadyState } from '../pipe.js'
import { UnixSocket } from '../socket.js'
import { validateSignal } from '../validate.js'
import { addressOf, optionsOf, validateNumber } from './arguments.js'
import { Attempt } from './attempt.js'
import { callable } from './callable.js'
import {
  addressMissing,
  callFailed,
  closedBeforeConnection,
  endedByPeer,
  invalidHandle,
  socketClosed,
  tcpRefused,
} from './errors.js'
import { type Server } from './server.js'

type WriteCallback = (error?: Error | null) => void

const { EISCONN } = constants.errno
const clientSockets = channel('net.client.socket')

/** @internal The option that has an address in bytes, which a string cannot always be; `path` is then its text. */
export const exactAddress = Symbol('exactAddress')

/** What node:net's sockets give to the stream, whatever the caller's options say. */
const streamDefaults = { emitClose: false, autoDestroy: true }

/**
 * A stream over a path, as `net.Socket` is for one: made before it is connected, and connected again after it is closed.
 * Source: class net.Socket of Node's documentation.
 *
 * What it has beside that is a UnixSocket's: `peer`, `remotePath`, `localPath`, `closeRead()`.
 */
class PathSocket extends UnixSocket {
  readonly #engine: Engine
  /** Has it a connection, or tries to? */
  #isBegun: boolean
  #attempt: Attempt | undefined
  /** Is it destroyed before it has got its connection? */
  #isEarly = false
  /** Is the half-close made, and 'finish' due? */
  #isFinishing = false
  /** Has the peer ended meanwhile? */
  #hasEnded = false
  /** The server that accepted it. */
  server: Server | null = null
  /** @internal The same, by the name that libraries know. */
  _server: Server | null = null
  /** Of TCP alone: undefined, as node:net's is for a path. */
  declare readonly autoSelectFamilyAttemptedAddresses: string[]

  /**
   * `options`: as of `new net.Socket`; `fd`, a connected Unix-domain socket of this process, is the socket's from then on.
   *
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; for an `fd` that is no such socket a system error.
   */
  constructor(options?: SocketConstructorOpts | number, accepted?: Connection) {
    const own = accepted instanceof Connection ? accepted : newConnection(options)
    super(own)
    this.#engine = own.engine
    this.#isBegun = own.id !== unconnected
    this.on('end', onEnd)
    if (this.#isBegun) this.#startReading(options)
    // Not by the stream's own option, which may destroy it before it is made.
    const signal = accepted === undefined ? signalOf(options) : undefined
    if (signal !== undefined) addAbortSignal(signal, this)
  }

  #startReading(options: unknown): void {
    const { readable, pauseOnCreate, manualStart } = (options ?? {}) as Record<string, unknown>
    if (readable === false) return
    if (pauseOnCreate) this.pause()
    else if (!manualStart) this.read(0)
  }

  /* ---------------------------------------------------------------- connecting */

  /**
   * Connects to a path: `connect(path, callback?)`, `connect({ path }, callback?)`. `callback` is called on 'connect'. A
   * listener whose backlog is full is waited for. A socket that was destroyed can connect again.
   *
   * Emits 'connect' and 'ready', or 'error' (`code`, `errno`, `syscall` 'connect', `address`; ERR_ACCESS_DENIED without `errno`).
   *
   * @throws ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE; ERR_INVALID_ARG_VALUE for a port, which node:net takes.
   */
  connect(path: string, callback?: () => void): this
  connect(options: IpcSocketConnectOpts, callback?: () => void): this
  /** What node:net takes besides: a port is refused. */
  connect(...args: unknown[]): this
  connect(...args: unknown[]): this {
    const [options, callback] = optionsOf(args)
    const { path, port } = options
    if (port === undefined && (path === undefined || path === null)) throw addressMissing()
    if (!path) throw tcpRefused()
    if (typeof path !== 'string') throw invalidType('options.path', 'a string', path)
    if (callback !== null) this.once('connect', callback)
    Reflect.deleteProperty(this, 'write')
    const resource = new AsyncResource('UnixSocket')
    if (this.destroyed) reopen(this)
    this.touch()
    this.emit('connectionAttempt', path, undefined, undefined)
    if (this.#isBegun) {
      setImmediate(() => this.#fail(-EISCONN, path))
      return this
    }
    this.renew(resource)
    this.#isBegun = true
    const exact = (options as { [exactAddress]?: Uint8Array })[exactAddress]
    const address = exact ?? addressOf(path)
    try {
      mayConnect(address, path)
    } catch (error) {
      return this.destroy(error as Error)
    }
    this.#attempt = new Attempt(this.#engine, address, outcome =>
      resource.runInAsyncScope(this.#conclude, this, outcome, path, exact),
    )
    return this
  }

  #fail(errno: number, path: string): void {
    const error = callFailed(errno, 'connect', path)
    this.emit('connectionAttemptFailed', path, undefined, undefined, error)
    this.destroy(error)
  }

  #conclude(idOrErrno: number, path: string, exact: Uint8Array | undefined): void {
    this.#attempt = undefined
    if (idOrErrno < 0) {
      this.#fail(idOrErrno, path)
      return
    }
    this.connectTo(idOrErrno, exact === undefined ? path : pathFromBytes(exact))
    this.touch()
    this.emit('connect')
    this.emit('ready')
    if (!this.isPaused()) this.read(0)
  }

  /** Is a connection being made? */
  override get connecting(): boolean {
    return this.#attempt !== undefined
  }

  /** Is there no connection, or none yet? */
  override get pending(): boolean {
    return !this.#isBegun || this.connecting
  }

  override get readyState(): SocketReadyState {
    return this.connecting ? 'opening' : super.readyState
  }

  /* ---------------------------------------------------------------- reading and writing */

  protected override endReading(): void {
    // First 'finish': who destroys the socket then gets no 'end'.
    this.#hasEnded = this.#isFinishing
    if (this.#hasEnded || this.destroyed) return
    super.endReading()
    // Whoever reads nothing comes to the end, too.
    this.read(0)
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, callback: WriteCallback): void {
    if (this.#isBegun) super._write(chunk, encoding, callback)
    else callback(socketClosed())
  }

  override _writev(chunks: { chunk: Uint8Array; encoding: BufferEncoding }[], callback: WriteCallback): void {
    if (this.#isBegun) super._writev(chunks, callback)
    else callback(socketClosed())
  }

  override _final(callback: WriteCallback): void {
    if (this.pending) this.once('connect', () => this._final(callback))
    // Node's shutdown, too, is done when the event loop comes to it: who destroys the socket before gets no 'finish'.
    else super._final(error => this.#finishLater(callback, error))
  }

  #finishLater(callback: WriteCallback, error: Error | null | undefined): void {
    this.#isFinishing = true
    this.#hasEnded = false
    setImmediate(() => {
      this.#isFinishing = false
      callback(error)
      if (this.#hasEnded) process.nextTick(() => this.endReading())
    })
  }

  /** Bytes written, those that wait for a connection or for room in the kernel included. */
  override get bytesWritten(): number {
    return this.bytesPut
  }

  /** `writableLength`; without a connection undefined, which Node's types do not know. */
  get bufferSize(): number {
    return (this.#isBegun ? this.writableLength : undefined) as number
  }

  /* ---------------------------------------------------------------- closing */

  override _destroy(error: Error | null, callback: WriteCallback): void {
    const wasBegun = this.#isBegun
    this.#isEarly = wasBegun && !this.isConnected
    this.#isBegun = false
    this.#attempt?.cancel()
    super._destroy(error, failure => {
      this.#attempt = undefined
      callback(failure)
      // As node:net, which waits for its handle to close.
      if (wasBegun) setImmediate(emitClose, this, [error !== null])
      else process.nextTick(emitClose, this, [])
    })
  }

  protected override endWriting(error: Error | null): void {
    super.endWriting(this.#isEarly ? closedBeforeConnection() : error)
  }

  /** Of TCP alone. @throws ERR_INVALID_HANDLE_TYPE when connected, as node:net for a path. */
  resetAndDestroy(): this {
    if (this.#isBegun) throw invalidHandle()
    return this.destroy(socketClosed())
  }

  /** As of every stream of Node: destroys it, before its end with an AbortError, and waits for that. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await Duplex.prototype[Symbol.asyncDispose].call(this)
  }

  override setTimeout(milliseconds: number, callback?: () => void): this {
    return this.destroyed ? this : super.setTimeout(milliseconds, callback)
  }

  protected override failed(errno: number, syscall: string): Error {
    return callFailed(errno, syscall)
  }
}

function newConnection(given: SocketConstructorOpts | number | undefined): Connection {
  const options: Record<string, unknown> = typeof given === 'number' ? { fd: given } : { ...given }
  for (const mode of ['objectMode', 'readableObjectMode', 'writableObjectMode'])
    if (options[mode]) throw invalidValue(`options.${mode}`, 'a socket carries bytes')
  validateNumber('options.keepAliveInitialDelay', options['keepAliveInitialDelay'])
  if (options['handle']) throw invalidValue('options.handle', "it is node:net's; give a path or { fd }")
  const { fd } = options
  const own = engine()
  const kept = keptOptions(options)
  const id = fd === undefined ? unconnected : adopted(own, fd)
  return new Connection(own, id, kept, new AsyncResource('UnixSocket'), {})
}

/** What a socket is made with, of the options of its caller or its server. */
export function keptOptions(options: Record<string, unknown>): KeptOptions {
  const { signal: _signal, onread, ...given } = options
  const allowHalfOpen = Boolean(given['allowHalfOpen'])
  // An undefined highWaterMark makes way for those of the two directions, and for Node's own.
  const stream = { highWaterMark: undefined, ...given, ...streamDefaults, allowHalfOpen } as DuplexOptions
  return { writeLimit: Infinity, onread: onReadOf(onread), stream }
}

function signalOf(options: unknown): AbortSignal | undefined {
  const { signal } = (options ?? {}) as Record<string, unknown>
  validateSignal(signal)
  return signal
}

/** Node ignores what is no use. */
function onReadOf(onread: unknown): OnRead | undefined {
  if (typeof onread !== 'object' || onread === null) return undefined
  const { buffer, callback } = onread as Partial<OnRead>
  const isMemory = types.isUint8Array(buffer) || typeof buffer === 'function'
  return isMemory && typeof callback === 'function' ? { buffer, callback } : undefined
}

function adopted(own: Engine, fd: unknown): number {
  if (typeof fd !== 'number') throw invalidType('fd', 'a number', fd)
  if (!Number.isInteger(fd) || fd < 0 || fd >= 2 ** 31)
    throw Object.assign(new RangeError(`fd must be a descriptor; received ${fd}`), {
      code: 'ERR_OUT_OF_RANGE',
    })
  const id = own.reactor.adoptConnection(fd)
  if (id < 0) throw callFailed(id, 'open', `fd ${fd}`)
  return id
}

/** Takes back that the stream was destroyed. Source: `_undestroy` of Node's streams, which net.Socket uses for this. */
function reopen(socket: Duplex): void {
  const { _undestroy } = socket as unknown as { _undestroy(): void }
  _undestroy.call(socket)
}

function emitClose(socket: Duplex, hadError: [boolean] | []): void {
  socket.emit('close', ...hadError)
}

/** Without `allowHalfOpen` the peer's end is this side's, and a later write is told so. */
function onEnd(this: PathSocket): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd
}

function writeAfterEnd(
  this: PathSocket,
  chunk: unknown,
  encoding?: BufferEncoding | WriteCallback,
  callback?: WriteCallback,
): boolean {
  if (!this.writableEnded) return PathSocket.prototype.write.call(this, chunk, encoding as never, callback)
  const given = typeof encoding === 'function' ? encoding : callback
  const error = endedByPeer()
  if (typeof given === 'function') process.nextTick(given, error)
  this.destroy(error)
  return false
}

/** Callable without `new`, too. */
export interface SocketConstructor {
  new (options?: SocketConstructorOpts | number): PathSocket
  (options?: SocketConstructorOpts | number): PathSocket
  readonly prototype: PathSocket
}

/** @internal A socket of a connection that a server has accepted. */
export function acceptedSocket(connection: Connection, paused: boolean): PathSocket {
  return new PathSocket(paused ? pausedOptions : undefined, connection)
}

const pausedOptions = { pauseOnCreate: true } as SocketConstructorOpts

export const Socket = callable(PathSocket, 'Socket') as unknown as SocketConstructor
export type Socket = PathSocket

/** `connect(path, callback?)`, `connect({ path, timeout, ...options of Socket }, callback?)`: a socket that connects. */
export function connect(path: string, callback?: () => void): Socket
export function connect(options: IpcNetConnectOpts, callback?: () => void): Socket
export function connect(...args: unknown[]): Socket {
  const normalized = optionsOf(args)
  const [options] = normalized
  const socket = new PathSocket(options as SocketConstructorOpts)
  if (clientSockets.hasSubscribers) clientSockets.publish({ socket })
  if (options['timeout']) socket.setTimeout(options['timeout'] as number)
  return socket.connect(normalized)
}
