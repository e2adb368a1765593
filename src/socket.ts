import { type AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { types } from 'node:util'
import { INTERNAL } from './binding.js'
import { type Endpoint, type Engine, Kind, type Writer } from './engine.js'
import { bufferChanged, illegalConstructor, internalError, streamDestroyed, systemError } from './errors.js'
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
}

const { isUint8Array } = types

/** What sockets, connected and accepted, have in common: a copy, which its giver cannot change any more. */
export function socketOptions(options: unknown): SocketOptions {
  validateOptions(options)
  const { allowHalfOpen, highWaterMark } = options ?? {}
  validateBoolean('options.allowHalfOpen', allowHalfOpen)
  validateInteger('options.highWaterMark', highWaterMark, 0, 2 ** 31 - 1)
  return { allowHalfOpen, highWaterMark }
}

type Callback = (error?: Error | null) => void

/** Read into memory of its own when that much waits, the same as the reactor's own reads. */
const bulkLength = 64 * 1024
const bulkReads = 4
const wouldBlock = -constants.errno.EAGAIN

/** What the package makes a socket of; nobody else can. */
export class Connection {
  readonly engine: Engine
  readonly id: number
  readonly options: SocketOptions
  /** Whose context the socket's callbacks run in. */
  readonly resource: AsyncResource
  readonly remotePath: UnixSocketPath | undefined
  readonly localPath: UnixSocketPath | undefined

  constructor(
    engine: Engine,
    id: number,
    options: SocketOptions,
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
  readonly #outbox: Outbox
  readonly #resource: AsyncResource
  readonly #credentials: { uid: number; gid: number; pid: number } | number
  readonly #localPath: UnixSocketPath | undefined
  #remotePath: UnixSocketPath | undefined
  #remotePathKnown: boolean
  #bytesRead = 0
  #open = true
  #reading = false
  #readClosed = false
  #referenced = true
  #held = false
  /** Corked until the engine flushes. */
  #gathering = false
  /** What waited went out in the last attempt of `destroy()`. */
  #sentAtLast = false
  /** Corks of the user. */
  #corks = 0
  #defaultEncoding: BufferEncoding = 'utf8'
  /** The stream's callback for what was handed over and waits for room. */
  #waiting: Callback | undefined

  /** @internal */
  constructor(connection: Connection) {
    if (!(connection instanceof Connection)) throw illegalConstructor('UnixSocket', 'connect() or listen()')
    const { engine, id, options } = connection
    const highWaterMark = options.highWaterMark ?? 65_536
    super({ allowHalfOpen: options.allowHalfOpen ?? true, highWaterMark })
    this.#engine = engine
    this.#id = id
    this.#outbox = new Outbox(engine, id)
    this.#resource = connection.resource
    this.#credentials = engine.peer(id)
    this.#localPath = connection.localPath
    this.#remotePath = connection.remotePath
    this.#remotePathKnown = connection.remotePath !== undefined
    engine.attach(id, this)
  }

  /* ---------------------------------------------------------------- who and how much */

  /** Bytes received. */
  get bytesRead(): number {
    return this.#bytesRead
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
    const bytes = this.#bytesOf(chunk, encoding)
    // After the end, or of what is no chunk, the stream makes the error; nothing of it must get into the outbox.
    if (bytes === undefined || this.#refusesWrites) {
      return super.write(chunk, encoding as BufferEncoding, callback)
    }
    const first = !this.#gathering
    // Corked, the stream only buffers: nothing is handed over before the outbox has it.
    if (first) super.cork()
    const substitute = this.#outbox.substitute(bytes)
    let more
    try {
      more = super.write(substitute, encoding as BufferEncoding, callback)
    } catch (error) {
      if (first) super.uncork()
      throw error
    }
    this.#outbox.keep(bytes, substitute)
    this.#gathering = true
    const canLeave = this.#waiting === undefined && this.#corks === 0
    if (canLeave && (bytes.length > smallChunk || this.#outbox.isFilling)) this.flush()
    else if (first) this.#engine.dirty(this)
    return more
  }

  /** Not `writable`, which users can set and the stream then does not heed. */
  get #refusesWrites(): boolean {
    return this.writableEnded || this.destroyed || this.errored !== null
  }

  /** A chunk as bytes; undefined for what the stream is to refuse. */
  #bytesOf(chunk: unknown, encoding: unknown): Uint8Array | undefined {
    if (isUint8Array(chunk)) return chunk
    if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (typeof chunk !== 'string') return undefined
    if (typeof encoding !== 'string') return Buffer.from(chunk, this.#defaultEncoding)
    return Buffer.isEncoding(encoding) ? Buffer.from(chunk, encoding) : undefined
  }

  override setDefaultEncoding(encoding: BufferEncoding): this {
    super.setDefaultEncoding(encoding)
    this.#defaultEncoding = encoding
    return this
  }

  override cork(): void {
    // What was written before is not held back by it.
    if (this.#corks === 0) this.flush()
    this.#corks++
    super.cork()
  }

  override uncork(): void {
    // One too many does nothing; it must not undo the cork of a turn.
    if (this.#corks > 0) this.#corks--
    else if (this.#gathering) return
    super.uncork()
  }

  override end(callback?: () => void): this
  override end(chunk: unknown, callback?: () => void): this
  override end(chunk: unknown, encoding?: BufferEncoding, callback?: () => void): this
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (typeof chunk === 'function') return super.end(chunk as () => void)
    if (typeof encoding === 'function') return this.end(chunk, undefined, encoding as () => void)
    if (this.#refusesWrites) return super.end(chunk, encoding as BufferEncoding, callback as () => void)
    if (chunk !== undefined && chunk !== null) this.write(chunk, encoding as BufferEncoding)
    this.#corks = 0
    this.flush()
    return super.end(callback as () => void)
  }

  /** Sends what was gathered; the engine calls it at the end of the turn. */
  flush(): void {
    if (!this.#gathering) return
    this.#gathering = false
    this.#resource.runInAsyncScope(super.uncork, this)
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#outbox.loadOne(chunk)
    this.#settle(this.#outbox.send(), callback)
  }

  override _writev(chunks: { chunk: Uint8Array; encoding: BufferEncoding }[], callback: Callback): void {
    this.#outbox.load(chunks)
    this.#settle(this.#outbox.send(), callback)
  }

  /** Everything is in the kernel: the stream calls this after the last write's callback. */
  override _final(callback: Callback): void {
    // It fails only if the peer is gone, and then there is nobody to tell.
    this.#engine.raw.shutdown(this.#id, 1)
    this.#resource.runInAsyncScope(callback)
  }

  /** Settles `callback` with what a send came to, or keeps it until there is room. */
  #settle(result: number, callback: Callback): void {
    this.touch()
    if (result === 0) {
      callback()
    } else if (result === 1) {
      this.#waiting = callback
    } else {
      this.#outbox.discard()
      callback(writeError(result))
    }
    this.#holdIfBusy()
  }

  #resume(): void {
    const callback = this.#waiting
    if (callback === undefined) return
    this.#waiting = undefined
    this.#settle(this.#outbox.resume(), callback)
  }

  /* ---------------------------------------------------------------- reading */

  override _read(): void {
    if (this.#reading || this.#readClosed) return
    this.#reading = true
    this.#holdIfBusy()
    if (this.#engine.raw.readStart(this.#id) === 1) this.#engine.soon()
  }

  /**
   * Stops receiving: what was not read yet is discarded, the readable side ends, and the peer's next write fails with EPIPE.
   * The writable side goes on; the socket closes once both directions have. Source: SHUT_RD of shutdown(2).
   */
  closeRead(): void {
    if (!this.#open || this.readableEnded) return
    // The end that this makes is not the peer's, so it never ends the writable side.
    this.allowHalfOpen = true
    const ended = this.#readClosed
    this.#readClosed = true
    this.#stopReading()
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

  #endReading(): void {
    if (this.#readClosed) return
    this.#readClosed = true
    this.#stopReading()
    this.push(null)
  }

  #stopReading(): void {
    if (!this.#reading) return
    this.#reading = false
    this.#engine.raw.readStop(this.#id)
    this.#holdIfBusy()
  }

  #deliver(chunk: Buffer): void {
    if (this.#readClosed) return
    this.#bytesRead += chunk.length
    this.touch()
    if (!this.push(chunk)) this.#stopReading()
  }

  #readBulk(): void {
    for (let reads = 0; reads < bulkReads && this.#reading; reads++) {
      const memory = Buffer.allocUnsafeSlow(bulkLength)
      const length = this.#engine.raw.read(this.#id, memory)
      if (length === bulkLength) {
        this.#deliver(memory)
      } else if (length > 0) {
        // Memory that was not filled may hold anything: it stays here.
        const chunk = Buffer.allocUnsafeSlow(length)
        memory.copy(chunk, 0, 0, length)
        this.#deliver(chunk)
        return
      } else {
        if (length === 0) this.#endReading()
        else if (length !== wouldBlock) this.destroy(readError(length))
        return
      }
    }
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
    if (kind === Kind.data) this.#deliver(this.#engine.chunk(offset, value))
    else if (kind === Kind.writable) this.#resume()
    else if (kind === Kind.bulk) this.#readBulk()
    else if (kind === Kind.end) this.#endReading()
    else if (kind === Kind.error) this.destroy(readError(-value))
  }

  /* ---------------------------------------------------------------- closing */

  /** Sends what the kernel takes without waiting, then closes; `error` is emitted as 'error'. */
  override destroy(error?: Error): this {
    if (this.#open && !this.destroyed && this.errored === null) {
      this.flush()
      // Its callback runs after the destruction: user code in between could destroy with another error.
      if (this.#waiting !== undefined && this.#outbox.resume() === 0) this.#sentAtLast = true
    }
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
    this.#resource.runInAsyncScope(() => {
      if (waiting !== undefined)
        process.nextTick(waiting, this.#sentAtLast ? null : (error ?? streamDestroyed()))
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
    const busy = this.#open && this.#referenced && (this.#reading || this.#waiting !== undefined)
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
