import { type AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { types } from 'node:util'
import { INTERNAL } from './binding.js'
import { byteLength, truthful } from './bytes.js'
import { type Endpoint, type Engine, Kind, type Writer } from './engine.js'
import { bufferChanged, illegalConstructor, internalError, streamDestroyed, systemError } from './errors.js'
import { headerLength } from './frames.js'
import { Inbox, type OnRead, type Receiver } from './inbox.js'
import { Outbox, smallChunk } from './outbox.js'
import { pathFromBytes, type UnixSocketPath } from './path.js'
import { PipeDuplex } from './pipe.js'
import { validateBoolean, validateInteger, validateOptions } from './validate.js'

/** The kernel's word on who is at the other end, taken when the connection was made. Source: SO_PEERCRED of unix(7). */
export interface PeerCredentials {
  readonly uid: number
  readonly gid: number
  /** Absent where the platform does not say, or the process is not visible here. Informs; never authorise by it. */
  readonly pid?: number
}

export interface SocketOptions {
  /** Keep the writable side open after the peer ends. Default true: the two directions are independent. */
  allowHalfOpen?: boolean | undefined
  /** Bytes that each direction buffers before it asks for patience. Default 65,536. */
  highWaterMark?: number | undefined
  /**
   * Microseconds for which the process asks for an answer again and again, after a byte went in or out, before it sleeps:
   * trades a processor's time for latency. It pays with both ends doing so, each on a free processor, and gives up while it
   * does not. Timers, immediates and other sockets have their turn in between. Default 0; at most 1,000,000.
   */
  busyPoll?: number | undefined
}

/** What the package makes a socket with. */
export interface KeptOptions extends SocketOptions {
  onread?: OnRead | undefined
}

const { isUint8Array } = types

/** What sockets, connected and accepted, have in common: a copy, which its giver cannot change any more. */
export function socketOptions(options: unknown): SocketOptions {
  validateOptions(options)
  const { allowHalfOpen, highWaterMark, busyPoll } = options ?? {}
  validateBoolean('options.allowHalfOpen', allowHalfOpen)
  validateInteger('options.highWaterMark', highWaterMark, 0, 2 ** 31 - 1)
  validateInteger('options.busyPoll', busyPoll, 0, 1_000_000)
  return { allowHalfOpen, highWaterMark, busyPoll }
}

type Callback = (error?: Error | null) => void

const zeroes = new ArrayBuffer(smallChunk)
const placeholders: (Buffer | undefined)[] = []

/** Stands in the stream's buffer for bytes that are in the outbox: only its length means something. */
function placeholder(length: number): Buffer {
  return (placeholders[length] ??= Buffer.from(zeroes, 0, length))
}

/** What the package makes a socket of; nobody else can. */
export class Connection {
  readonly engine: Engine
  readonly id: number
  readonly options: KeptOptions
  /** Whose context the socket's callbacks run in. */
  readonly resource: AsyncResource
  readonly remotePath: UnixSocketPath | undefined
  readonly localPath: UnixSocketPath | undefined

  constructor(
    engine: Engine,
    id: number,
    options: KeptOptions,
    resource: AsyncResource,
    paths: { remotePath?: UnixSocketPath; localPath?: UnixSocketPath },
  ) {
    this.engine = engine
    this.id = id
    this.options = options
    this.resource = resource
    this.remotePath = paths.remotePath
    this.localPath = paths.localPath
  }
}

/**
 * A connection, as a stream. `connect()` and `UnixListener` make it.
 *
 * Small writes of one turn leave together at its end, or sooner when there are many. `end()` sends what was written and half-closes; `destroy()`
 * sends what the kernel takes without waiting, and closes.
 */
export class UnixSocket extends PipeDuplex implements Endpoint, Writer {
  readonly #engine: Engine
  readonly #id: number
  readonly #inbox: Inbox<UnixSocket>
  readonly #outbox: Outbox
  readonly #busyPoll: number
  /** What arrives goes into memory of the user's, not through the stream. */
  readonly #inMemory: boolean
  readonly #resource: AsyncResource
  readonly #credentials: { uid: number; gid: number; pid: number } | number
  readonly #localPath: UnixSocketPath | undefined
  #remotePath: UnixSocketPath | undefined
  #remotePathKnown: boolean
  #open = true
  #referenced = true
  #held = false
  /** The engine will flush. */
  #gathering = false
  /** Where in the outbox's bytes ends what the stream has handed over. */
  #handed = 0
  /** Bytes of frames at the outbox's end that the stream has not been told of. */
  #untold = 0
  /** Corks of the user. */
  #corks = 0
  #defaultEncoding: BufferEncoding = 'utf8'
  /** The stream's callback for what it handed over, held until the kernel has the bytes. */
  #waiting: Callback | undefined

  /** @internal */
  constructor(connection: Connection) {
    if (!(connection instanceof Connection)) throw illegalConstructor('UnixSocket', 'connect() or listen()')
    const { engine, id, options } = connection
    const highWaterMark = options.highWaterMark ?? 65_536
    super({ allowHalfOpen: options.allowHalfOpen ?? true, highWaterMark })
    this.#engine = engine
    this.#id = id
    this.#inbox = new Inbox(engine, id, this, UnixSocket.#receiver, options.onread)
    this.#outbox = new Outbox(engine, id)
    this.#busyPoll = options.busyPoll ?? 0
    this.#inMemory = options.onread !== undefined
    this.#resource = connection.resource
    this.#credentials = engine.peer(id)
    this.#localPath = connection.localPath
    this.#remotePath = connection.remotePath
    this.#remotePathKnown = connection.remotePath !== undefined
    engine.attach(id, this)
    if (this.#inMemory) this._read()
  }

  /* ---------------------------------------------------------------- who and how much */

  /** Bytes received. */
  get bytesRead(): number {
    return this.#inbox.received
  }

  /** Bytes that the kernel has taken to send. */
  get bytesWritten(): number {
    return this.#outbox.sent
  }

  /** Who is at the other end. */
  get peer(): PeerCredentials {
    const credentials = this.#credentials
    if (typeof credentials === 'number') throw systemError(credentials, 'getsockopt')
    const { uid, gid, pid } = credentials
    return pid === 0 ? { uid, gid } : { uid, gid, pid }
  }

  /** Of a connected socket, the path that was connected to. Of an accepted one, the path that the peer has bound, which is rare. */
  get remotePath(): UnixSocketPath | undefined {
    if (!this.#remotePathKnown && this.#open) {
      this.#remotePath = pathFromBytes(this.#engine.reactor.peerAddress(this.#id))
      this.#remotePathKnown = true
    }
    return this.#remotePath
  }

  /** Of an accepted socket, the path of its listener. */
  get localPath(): UnixSocketPath | undefined {
    return this.#localPath
  }

  /* ---------------------------------------------------------------- writing */

  override write(chunk: unknown, callback?: Callback): boolean
  override write(chunk: unknown, encoding?: BufferEncoding, callback?: Callback): boolean
  override write(chunk: unknown, encoding?: BufferEncoding | Callback, callback?: Callback): boolean {
    if (typeof encoding === 'function') return this.write(chunk, undefined, encoding)
    const bytes = this.#bytesOf(chunk, encoding)
    // After the end, or of what is no chunk, the stream makes the error; nothing of it must get into the outbox.
    if (bytes === undefined || this.#refusesWrites()) return super.write(chunk, encoding!, callback)
    const length = byteLength(bytes)
    this.#tell()
    this.#outbox.put(bytes, length)
    this.#sendIfMuch()
    const more = super.write(length > smallChunk ? bytes : placeholder(length), this.#exact(callback))
    this.#gather()
    return more
  }

  /** @internal Writes `payload` behind its length, as FrameDecoder reads it. */
  writeFrame(payload: Uint8Array, callback?: Callback): boolean {
    const length = headerLength + byteLength(payload)
    if (this.#refusesWrites()) return super.write(placeholder(headerLength), callback)
    if (length > smallChunk) {
      const header = Buffer.allocUnsafe(headerLength)
      header.writeUInt32BE(byteLength(payload))
      this.write(header)
      return this.write(payload, callback)
    }
    if (this.#untold + length > smallChunk) this.#tell()
    this.#outbox.putFrame(payload, byteLength(payload))
    this.#untold += length
    if (this.#outbox.isLoaded) this.#send()
    if (callback !== undefined || this.#corks > 0) this.#tell(callback)
    else this.#gather()
    return !this.writableNeedDrain
  }

  /** Tells the stream of frames, many at once: a write of the stream costs more than a small frame. See `framed-64`. */
  #tell(callback?: Callback): void {
    const length = this.#untold
    if (length === 0 || this.#refusesWrites()) return
    this.#untold = 0
    super.write(placeholder(length), this.#exact(callback))
    this.#gather()
  }

  /** Where in the outbox's bytes ends what the stream knows of. */
  get #told(): number {
    return this.#outbox.written - this.#untold
  }

  /** Not `writable`, which users can set and the stream then does not heed. */
  #refusesWrites(): boolean {
    return this.writableEnded || this.destroyed || this.errored !== null
  }

  /** A chunk as bytes; undefined for what the stream is to refuse. */
  #bytesOf(chunk: unknown, encoding: BufferEncoding | undefined): Uint8Array | undefined {
    if (typeof chunk === 'string') {
      if (!encoding) return Buffer.from(chunk, this.#defaultEncoding)
      return Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : undefined
    }
    if (encoding && (encoding as string) !== 'buffer' && !Buffer.isEncoding(encoding)) return undefined
    if (isUint8Array(chunk)) return truthful(chunk)
    return ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : undefined
  }

  /** The stream answers for all that it hands over together, and fails what it never did: `callback` learns of its own bytes. */
  #exact(callback: Callback | undefined): Callback | undefined {
    if (typeof callback !== 'function') return undefined
    if (this.#waiting === undefined && this.#corks === 0) return callback
    const outbox = this.#outbox
    const end = outbox.written
    return error => callback(outbox.sent >= end ? null : error)
  }

  override setDefaultEncoding(encoding: BufferEncoding): this {
    super.setDefaultEncoding(encoding)
    this.#defaultEncoding = encoding
    return this
  }

  override cork(): void {
    if (this.#corks++ === 0) {
      // What was written before is not held back by it.
      this.#tell()
      this.#send()
      this.#outbox.cork()
    }
    super.cork()
  }

  override uncork(): void {
    if (this.#corks > 0 && --this.#corks === 0) this.#release()
    super.uncork()
    this.#gather()
  }

  #release(): void {
    this.#outbox.uncork()
    this.#sendIfMuch()
  }

  override end(callback?: () => void): this
  override end(chunk: unknown, callback?: () => void): this
  override end(chunk: unknown, encoding?: BufferEncoding, callback?: () => void): this
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (typeof chunk === 'function') return this.end(undefined, undefined, chunk as () => void)
    if (typeof encoding === 'function') return this.end(chunk, undefined, encoding as () => void)
    if (this.#refusesWrites()) return super.end(chunk, encoding as BufferEncoding, callback as () => void)
    if (chunk !== undefined && chunk !== null) this.write(chunk, encoding as BufferEncoding)
    if (this.#corks > 0) {
      this.#corks = 0
      this.#release()
    }
    this.#tell()
    super.end(callback as () => void)
    this.#gather()
    return this
  }

  /** Has the turn's end, or the microtasks, send what was written and call back. */
  #gather(): void {
    if (this.#gathering || (this.#waiting === undefined && this.#corks === 0 && this.#untold === 0)) return
    this.#gathering = true
    this.#engine.dirty(this)
  }

  #sendIfMuch(): void {
    if (this.#outbox.isFilling) this.#send()
  }

  #send(): void {
    const outbox = this.#outbox
    const before = outbox.sent
    outbox.send()
    if (outbox.sent !== before) this.touch()
    this.#holdIfBusy()
  }

  /** @internal Sends what was gathered, without a callback: inside somebody's write, or at the process's exit. */
  send(): void {
    this.#gathering = false
    this.#send()
    this.#outbox.settle()
  }

  /** @internal The end of the turn. */
  flush(): void {
    this.send()
    this.#tell()
    if (this.#busyPoll > 0) this.#engine.expect(this.#busyPoll, false)
    this.#settle()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    const length = this.#told - this.#handed
    this.#take(callback)
    // A large chunk that was detached or shrunk meanwhile would upset the stream's account.
    if (chunk.length !== length) this.destroy(bufferChanged())
  }

  override _writev(_chunks: unknown, callback: Callback): void {
    this.#take(callback)
  }

  /**
   * The stream hands over all that it has, which is in the outbox or beyond already. Its callback is never called here,
   * because a tick would let later ones overtake it.
   */
  #take(callback: Callback): void {
    this.#handed = this.#told
    this.#waiting = callback
  }

  /** What became of the bytes that the stream handed over; undefined: nothing yet. */
  #outcome(): Error | null | undefined {
    const { sent, failure } = this.#outbox
    if (sent >= this.#handed) return null
    return failure === 0 ? undefined : writeError(failure)
  }

  /** Everything is in the kernel: the stream calls this after the last write's callback. */
  override _final(callback: Callback): void {
    // It fails only if the peer is gone, and then there is nobody to tell.
    this.#engine.raw.shutdown(this.#id, 1)
    this.#resource.runInAsyncScope(callback)
  }

  #settle(): void {
    const callback = this.#waiting
    if (callback === undefined) return
    const outcome = this.#outcome()
    if (outcome === undefined) return
    if (outcome !== null) {
      // First: what a failed callback does must not find an open stream.
      this.destroy(outcome)
      return
    }
    this.#waiting = undefined
    try {
      this.#resource.runInAsyncScope(callback)
    } finally {
      // The stream may have handed over more, and its callback waits for the next flush, which is part of this one.
      this.#gather()
    }
  }

  #resume(): void {
    this.#outbox.unblock()
    this.#send()
    this.#settle()
  }

  /* ---------------------------------------------------------------- reading */

  override _read(): void {
    this.#inbox.start()
    this.#holdIfBusy()
  }

  override pause(): this {
    if (this.#inMemory) this.#stopReading()
    return super.pause()
  }

  override resume(): this {
    if (this.#inMemory) this._read()
    return super.resume()
  }

  /**
   * Stops receiving: what was not read yet is discarded, the readable side ends, and the peer's next write fails with EPIPE.
   * The writable side goes on; the socket closes once both directions have. Source: SHUT_RD of shutdown(2).
   */
  closeRead(): void {
    if (!this.#open || this.readableEnded) return
    // The end that this makes is not the peer's, so it never ends the writable side.
    this.allowHalfOpen = true
    const ended = this.#inbox.isClosed
    this.#inbox.close()
    this.#holdIfBusy()
    this.#engine.raw.shutdown(this.#id, 0)
    this.#silently(() => {
      if (!ended) this.push(null)
      while (this.read() !== null);
    })
    this.read(0)
  }

  /** Without events: what the stream has buffered must not reach its readers. */
  #silently(work: () => void): void {
    const own = Object.getOwnPropertyDescriptor(this, 'emit')
    Object.defineProperty(this, 'emit', { value: () => false, configurable: true })
    work()
    Reflect.deleteProperty(this, 'emit')
    if (own !== undefined) Object.defineProperty(this, 'emit', own)
  }

  #stopReading(): void {
    this.#inbox.stop()
    this.#holdIfBusy()
  }

  static readonly #receiver: Receiver<UnixSocket> = {
    take(socket, chunk) {
      socket.touch()
      if (socket.#isFlowing()) socket.emit('data', chunk)
      else if (!socket.push(chunk)) socket.#stopReading()
    },
    touched(socket) {
      socket.touch()
      socket.#holdIfBusy()
    },
    end: socket => socket.#endReading(),
    fail: (socket, error) => void socket.destroy(typeof error === 'number' ? readError(error) : error),
  }

  #endReading(): void {
    if (this.#inbox.isClosed) return
    this.#inbox.close()
    this.#holdIfBusy()
    this.push(null)
    // Nobody reads such a stream, so nobody would come to its end.
    if (this.#inMemory) this.read(0)
  }

  /** Would `push` do no more than emit 'data'? It costs a tick and a `read(0)` besides. */
  #isFlowing(): boolean {
    return (
      this.readableFlowing === true &&
      this.readableLength === 0 &&
      this.readableEncoding === null &&
      this.readableDidRead &&
      this.listenerCount('data') > 0 &&
      !this.destroyed
    )
  }

  /* ---------------------------------------------------------------- events */

  protected override inContext<T>(work: () => T): T {
    return this.#resource.runInAsyncScope(work)
  }

  /** @internal */
  onEvent(kind: number, value: number, offset: number): void {
    this.#resource.runInAsyncScope(this.#handle, this, kind, value, offset)
  }

  #handle(kind: number, value: number, offset: number): void {
    if (this.#busyPoll > 0) this.#engine.expect(this.#busyPoll, true)
    if (kind === Kind.data) this.#inbox.takeScratch(offset, value)
    else if (kind === Kind.writable) this.#resume()
    else if (kind === Kind.bulk) this.#inbox.takeBulk()
    else if (kind === Kind.end) this.#endReading()
    else if (kind === Kind.error) this.destroy(readError(-value))
  }

  /* ---------------------------------------------------------------- closing */

  /** Sends what the kernel takes without waiting, then closes; `error` is emitted as 'error'. */
  override destroy(error?: Error): this {
    if (this.#open && !this.destroyed && this.errored === null) this.#send()
    return super.destroy(error)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#open = false
    this.stopTimer()
    this.#engine.close(this.#id)
    this.#outbox.discard()
    this.#holdIfBusy()
    const waiting = this.#waiting
    this.#waiting = undefined
    const outcome = this.#outcome()
    this.#resource.runInAsyncScope(() => {
      if (waiting !== undefined)
        process.nextTick(waiting, outcome === undefined ? (error ?? streamDestroyed()) : outcome)
      callback(error)
    })
  }

  /** Tries to send what was written without waiting, then closes. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return
    const closed = new Promise<void>(resolve => this.once('close', resolve))
    this.destroy()
    await closed
  }

  /* ---------------------------------------------------------------- waiting */

  /** The socket keeps the process alive while it reads or has bytes to send. The default. */
  ref(): this {
    this.#referenced = true
    this.#holdIfBusy()
    return this
  }

  unref(): this {
    this.#referenced = false
    this.#holdIfBusy()
    return this
  }

  #holdIfBusy(): void {
    const busy = this.#open && this.#referenced && (this.#inbox.isReading || this.#outbox.isBlocked)
    if (busy === this.#held) return
    this.#held = busy
    if (busy) this.#engine.hold()
    else this.#engine.release()
  }
}

function readError(errno: number): Error {
  return errno === INTERNAL ? internalError('read') : systemError(errno, 'read')
}

function writeError(errno: number): Error {
  if (errno === -constants.errno.EFAULT) return bufferChanged()
  return errno === INTERNAL ? internalError('write') : systemError(errno, 'write')
}
