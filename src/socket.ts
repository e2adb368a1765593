/**
 * The stream over one connection. It owns no state of the connection: the Handle has that, the Reader and the Writer are its two halves, and
 * NetSocketSurface has what other libraries use of a socket.
 */
import { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import { type Descriptor } from './descriptor.js'
import { makeAssignable } from './internal/assignable.js'
import { hasBrand } from './internal/brand.js'
import { type WriteCallback } from './internal/callback-queue.js'
import { writeFramedWith, writeWith } from './internal/descriptor-writing.js'
import { detached, DetachableStream } from './internal/detaching.js'
import { unconnected } from './internal/engine.js'
import { Kind, READ_SIZE } from './internal/native.js'
import { atCaller, illegalConstructor, streamDestroyed } from './internal/errors.js'
import { writeFramed } from './internal/frame-writing.js'
import { Handle } from './internal/handle.js'
import {
  bytesQueued,
  connectTo,
  endReading,
  hangUp,
  hasInput,
  idleTimer,
  onEvent,
  onStall,
  handleOf,
  ownWrites,
  prepare,
  reportUnsent,
  unsentError,
  writeFrame,
} from './internal/hooks.js'
import { type InspectContext, inspected, socketFields } from './internal/inspect.js'
import { type SendOptions } from './internal/message-info.js'
import { NetSocketSurface } from './internal/net-socket-surface.js'
import { Reader } from './internal/reader.js'
import { type Resource } from './internal/resource.js'
import { take } from './internal/shortcut.js'
import { carriesTls, leaveEndToTls } from './internal/tls.js'
import { bind, chunkExceedsLimit, owned, refuse } from './internal/write-guard.js'
import { type WriteOptions } from './internal/write-options.js'
import { Writer } from './internal/writer.js'
import { type UnixSocketPath } from './path.js'
import { type PeerCredentials } from './peer.js'

const brand = Symbol.for('udsock.UnixSocket')
const { destroy } = Duplex.prototype as unknown as {
  destroy(this: Duplex, error?: Error, callback?: WriteCallback): unknown
}

/**
 * A connection, as a stream. `connect()` and `UnixListener` make it.
 *
 * Small writes of one turn are sent together. `end()` sends what was written, then half-closes. `destroy()` sends what the kernel takes without
 * waiting, then closes.
 */
export class UnixSocket extends NetSocketSurface {
  #handle: Handle
  #reader: Reader
  /** Made at the first write: many sockets never write. */
  #writer: Writer | undefined
  #defaultEncoding: BufferEncoding
  /** @internal */
  declare readonly [ownWrites]: Pick<Duplex, '_write' | '_writev'>

  /** @internal */
  constructor(handle: Handle, existing?: object) {
    if (!(handle instanceof Handle))
      throw illegalConstructor(UnixSocket, 'UnixSocket', 'connect() or listen()')
    const { stream } = handle.options
    super(stream, existing)
    this.#handle = handle
    this.#reader = new Reader(handle, this)
    this.#defaultEncoding = stream.defaultEncoding ?? 'utf8'
    handle.attach(this)
    if (this.#handle.hasOnRead) this._read()
  }

  /** @internal */
  get [brand](): true {
    return true
  }

  /** @internal */
  override get [handleOf](): Handle {
    return this.#handle
  }

  /** @internal */
  [connectTo](id: number, remotePath: UnixSocketPath | undefined): void {
    this.#handle.connect(id, remotePath, this)
    this.#reader.connect()
  }

  /** @internal The events of that connection run in the context of `resource`. */
  [prepare](resource: Resource): void {
    const { engine, options, isReferenced, isUnconnected } = this.#handle
    if (!isUnconnected) {
      this.#handle = new Handle(engine, unconnected, options, resource)
      if (!isReferenced) this.#handle.unref()
      this.#reader = new Reader(this.#handle, this)
      this.#writer = undefined
    }
    this.#handle.begin(resource)
    this.#reader.prepareMemory()
  }

  /** Bytes received. */
  get bytesRead(): number {
    return this.#reader.received
  }

  /** Bytes that the kernel has taken to send. */
  get bytesWritten(): number {
    return this.#writer?.bytesSent ?? 0
  }

  /** @internal */
  get [bytesQueued](): number {
    return this.#writer?.bytesQueued ?? 0
  }

  /**
   * The peer's credentials. Those of a listener are the credentials of the process that called listen(2): under socket activation, of the
   * activator. Throws a system error if the kernel did not report them.
   */
  get peer(): PeerCredentials {
    return this.#handle.peer
  }

  /** The path that was connected to; of an accepted socket, the path that the peer has bound, which is rare. */
  get remotePath(): UnixSocketPath | undefined {
    return this.#handle.remotePath
  }

  /** The path of the listener that accepted the socket. */
  get localPath(): UnixSocketPath | undefined {
    return this.#handle.localPath
  }

  override _read(): void {
    this.#reader.start()
  }

  override read(size?: number): ReturnType<Duplex['read']> {
    if (this.#handle.hasOnRead && this.#handle.isOpen) this.#reader.start()
    const chunk: unknown = super.read(size)
    this.#reader.heldFailure?.reconsider()
    return chunk
  }

  override unpipe(destination?: NodeJS.WritableStream): this {
    super.unpipe(destination)
    this.#reader.heldFailure?.reconsider()
    return this
  }

  override pause(): this {
    if (this.#handle.hasOnRead) this.#reader.stop()
    return super.pause()
  }

  override resume(): this {
    if (this.#handle.hasOnRead) this._read()
    return super.resume()
  }

  /**
   * Stops receiving: bytes that were not read yet are discarded, the readable side ends, and the peer's next write fails with EPIPE. The
   * writable side stays open; the socket closes when both directions have ended. Source: SHUT_RD of shutdown(2).
   */
  closeRead(): void {
    this.#reader.shutdown()
  }

  /** @internal */
  [endReading](): void {
    if (!this.allowHalfOpen && carriesTls(this)) leaveEndToTls(this)
    this.#reader.end()
  }

  override write(chunk: unknown, callback?: WriteCallback): boolean
  override write(chunk: unknown, encoding?: BufferEncoding, callback?: WriteCallback): boolean
  /** Writes a chunk of at least one byte, with descriptors. They leave with its first byte, and arrive with it or before it. */
  override write(chunk: unknown, options: WriteOptions, callback?: WriteCallback): boolean
  override write(
    chunk: unknown,
    encoding?: BufferEncoding | WriteOptions | WriteCallback,
    callback?: WriteCallback,
  ): boolean {
    // Never calls `this.write`, which may be an override that calls this method.
    if (typeof encoding === 'function') {
      callback = encoding
      encoding = undefined
    }
    const writer = this.#openWriter()
    const bound = callback === undefined ? undefined : bind(this.#reader, callback)
    if (take(writer, chunk, (encoding || this.#defaultEncoding) as BufferEncoding, bound)) return true
    if (typeof encoding === 'object' && encoding !== null && Object.keys(encoding).length > 0)
      try {
        return writeWith(writer, chunk, encoding, this.#defaultEncoding, bound)
      } catch (error) {
        throw atCaller(error, UnixSocket.prototype.write)
      }
    if (chunkExceedsLimit(writer, chunk, this.#defaultEncoding)) return refuse(writer, bound)
    if (this.#reader.heldFailure !== undefined) writer.schedule()
    return super.write(owned(writer, chunk), encoding as BufferEncoding, bound)
  }

  override end(callback?: () => void): this
  override end(chunk: unknown, callback?: () => void): this
  override end(chunk: unknown, encoding?: BufferEncoding, callback?: () => void): this
  override end(chunk?: unknown, encoding?: unknown, callback?: unknown): this {
    if (typeof chunk === 'function') {
      callback = chunk
      chunk = encoding = undefined
    } else if (typeof encoding === 'function') {
      callback = encoding
      encoding = undefined
    }
    const writer = this.#openWriter()
    const bound = callback === undefined ? undefined : bind(this.#reader, callback as WriteCallback)
    if (chunkExceedsLimit(writer, chunk, this.#defaultEncoding)) {
      refuse(writer, bound)
      return this
    }
    return super.end(owned(writer, chunk), encoding as BufferEncoding, bound as () => void)
  }

  /** @internal */
  [writeFrame](message: Uint8Array, callback?: WriteCallback, options?: SendOptions): boolean {
    const writer = this.#openWriter()
    if (options === undefined) return writeFramed(writer, message, callback)
    return writeFramedWith(writer, message, options, bind(this.#reader, callback))
  }

  override setDefaultEncoding(encoding: BufferEncoding): this {
    super.setDefaultEncoding(encoding)
    this.#defaultEncoding = encoding
    return this
  }

  #openWriter(): Writer {
    return (this.#writer ??= new Writer(this.#handle, this, this.#reader))
  }

  override _write(chunk: Uint8Array, encoding: BufferEncoding, callback: WriteCallback): void {
    this.#openWriter().write(chunk, encoding, callback)
  }

  override _writev(chunks: { chunk: Uint8Array; encoding: BufferEncoding }[], callback: WriteCallback): void {
    this.#openWriter().writev(chunks, callback)
  }

  override _final(callback: WriteCallback): void {
    this.#openWriter().final(callback)
  }

  /** @internal */
  [hasInput](): boolean {
    return this.#handle.isOpen && (this.#reader.isClosed || this.#handle.hasInput)
  }

  /** @internal */
  [onEvent](kind: number, value: number, offset: number): void {
    const { engine, options, resource } = this.#handle
    if (kind === Kind.writable) {
      this.#writer?.resume()
      return
    }
    engine.received(options.busyPoll, kind === Kind.data ? value : READ_SIZE)
    if (kind === Kind.end) this.#reader.conclude(0)
    else if (kind === Kind.error) this.#reader.conclude(value)
    else resource.runInAsyncScope(this.#deliver, this, kind, value, offset)
  }

  #deliver(kind: number, value: number, offset: number): void {
    if (kind === Kind.data) this.#reader.takeScratch(offset, value)
    else if (kind === Kind.bulk) this.#reader.takeBulk()
    else if (kind === Kind.hangUp) this[hangUp]()
    else if (kind === Kind.descriptors) this.#reader.takeDescriptors()
  }

  /** @internal */
  [onStall](): void {
    this.#writer?.schedule()
  }

  /** @internal */
  [hangUp](): void {
    this.#reader.hangUp()
  }

  /** Sends what the kernel takes without waiting, then closes; `error` is emitted as 'error'. */
  override destroy(error?: Error): this
  /** @internal Node's streams call back; they do not document it, but modules use it. */
  override destroy(error?: Error, callback?: WriteCallback): this
  override destroy(error?: Error, callback?: WriteCallback): this {
    const writer = this.#writer
    if (writer !== undefined && !this.destroyed) {
      if (this.#handle.isOpen && this.errored === null) writer.sendInOrder()
      // Before Writable calls back for the chunks that it holds.
      if (writer.isAwaited) writer.callBackSoon(this[unsentError](error ?? null) ?? streamDestroyed())
    }
    destroy.call(this, error, callback)
    return this
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this[idleTimer]?.stop()
    this.#reader.cancelFailure()
    this.#handle.close()
    this.#reader.close()
    this.#handle.resource.runInAsyncScope(() => {
      const writer = this.#writer
      // Made only if it is used: making an error costs more than the close.
      const unsent = writer?.isPending ? (this[unsentError](error) ?? streamDestroyed()) : null
      const report = writer?.close(unsent)
      if (report !== undefined) this[reportUnsent](report, writer!.hasFailed)
      callback(error)
    })
  }

  /**
   * Stops reading, sends what was written, and returns the descriptor: open, not shut down, and blocking. The socket then emits 'close'. Rejects
   * with ERR_INVALID_STATE if the socket has ended or is closed, and while it holds bytes that were not read (`readableLength`): it goes on then.
   */
  async detach(): Promise<Descriptor> {
    return await detached(new DetachableStream(this, this.#handle, this.#reader), this.detach)
  }

  /** Shows the path, the state, counts and the peer. */
  [inspect.custom](depth: number, options: InspectContext): unknown {
    return inspected(this, () => socketFields(this), depth, options)
  }

  /** Has the socket keep the process alive while it reads or has bytes to send. The default. */
  ref(): this {
    this.#handle.ref()
    return this
  }

  /** Undoes `ref()`. */
  unref(): this {
    this.#handle.unref()
    return this
  }
}

const { _write, _writev } = UnixSocket.prototype
Object.defineProperty(UnixSocket.prototype, ownWrites, { value: { _write, _writev } })
makeAssignable(UnixSocket.prototype, ['bytesRead', 'bytesWritten', 'localPath', 'peer', 'remotePath'])

/** @internal Returns whether `value` is a socket of this package: of any copy of it, open or closed. Never throws. */
export function isUnixSocket(value: unknown): value is UnixSocket {
  return hasBrand(value, brand)
}
