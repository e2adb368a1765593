import { type AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { byteLength, bytesOf, longestText } from './bytes.js'
import { type Connection } from './connection.js'
import { type Engine, unconnected, type Writer } from './engine.js'
import { backpressureLimit, bufferChanged, streamDestroyed } from './errors.js'
import { headerLength } from './frames.js'
import { Outbox, smallChunk } from './outbox.js'
import { PipeDuplex } from './pipe.js'

type Callback = (error?: Error | null) => void

const notConnected = -constants.errno.ENOTCONN
const defaultWriteLimit = 16 * 1024 * 1024

const zeroes = new ArrayBuffer(smallChunk)
const placeholders: (Buffer | undefined)[] = []

/** Stands in the stream's buffer for bytes that are in the outbox: only its length means something. */
function placeholder(length: number): Buffer {
  return (placeholders[length] ??= Buffer.from(zeroes, 0, length))
}

/**
 * The writing half of a socket: the writes of a turn leave together at its end, or sooner when there are many. The outbox
 * holds the bytes, and the stream keeps account of its chunks.
 */
export abstract class GatheringDuplex extends PipeDuplex implements Writer {
  readonly #engine: Engine
  #id: number
  #resource: AsyncResource
  #outbox: Outbox
  /** Bytes that the outbox may hold. */
  readonly #limit: number
  /** The engine will flush. */
  #gathering = false
  /** Where in the outbox's bytes ends what the stream has handed over. */
  #handed = 0
  /** And what it knows to be done, or need not learn of. */
  #settled = 0
  /** Bytes at the outbox's end that the stream has not been told of, at most `smallChunk`. */
  #untold = 0
  /** Corks of the user. */
  #corks = 0
  #defaultEncoding: BufferEncoding = 'utf8'
  /** The stream's callback for what it handed over, held until the kernel has the bytes. */
  #waiting: Callback | undefined

  /**
   * Bytes that wait for room in the kernel, or for `uncork()`. What leaves with the turn is not among them, as with a
   * node:net socket, which has sent it by now.
   */
  declare readonly writableLength: number

  static {
    // Node:http waits for the socket's 'drain' if this is not 0, and 'drain' follows only what filled the stream.
    Object.defineProperty(this.prototype, 'writableLength', {
      configurable: true,
      get(this: GatheringDuplex): number {
        const outbox = this.#outbox
        return outbox.isBlocked || this.#corks > 0 ? outbox.held : 0
      },
    })
  }

  constructor({ engine, id, options, resource }: Connection) {
    const { allowHalfOpen = true, highWaterMark = 65_536, writeLimit = defaultWriteLimit, stream } = options
    super({ allowHalfOpen, highWaterMark, ...stream })
    this.#engine = engine
    this.#id = id
    this.#resource = resource
    this.#outbox = new Outbox(engine, id)
    this.#limit = highWaterMark + writeLimit
  }

  /** What was written meanwhile leaves by the connection `id`. */
  protected connectWriting(id: number): void {
    this.#id = id
    this.#outbox.connect(id)
    this.#send()
    this.#gather()
  }

  /** Of what was written before, nothing is left; callbacks run in the context of `resource`. */
  protected renewWriting(resource: AsyncResource): void {
    this.#id = unconnected
    this.#resource = resource
    this.#outbox.discard()
    this.#outbox = new Outbox(this.#engine, unconnected)
    this.#handed = this.#settled = 0
    this.#untold = 0
    this.#corks = 0
  }

  /** What keeps the process alive may have changed. */
  protected abstract holdIfBusy(): void
  /** Something was sent. */
  protected abstract expectAnswer(): void

  override write(chunk: unknown, callback?: Callback): boolean
  override write(chunk: unknown, encoding?: BufferEncoding, callback?: Callback): boolean
  override write(chunk: unknown, encoding?: BufferEncoding | Callback, callback?: Callback): boolean {
    if (typeof encoding === 'function') return this.write(chunk, undefined, encoding)
    if (typeof chunk === 'string' && chunk.length > 0 && !this.#refusesWrites() && !this.writableNeedDrain) {
      const longest = longestText(chunk, encoding || this.#defaultEncoding)
      if (longest <= smallChunk)
        return this.#putText(chunk, encoding || this.#defaultEncoding, longest, callback)
    }
    const bytes = bytesOf(chunk, encoding, this.#defaultEncoding)
    // After the end, or of what is no chunk, the stream makes the error; nothing of it must get into the outbox.
    if (bytes === undefined || this.#refusesWrites()) return super.write(chunk, encoding!, callback)
    const length = byteLength(bytes)
    return this.#isTooMuch(length) ? this.#failOver(callback) : this.#put(bytes, length, callback)
  }

  /** Straight into the outbox: with a Buffer between, short texts would cost twice as much. See `http`. */
  #putText(text: string, encoding: BufferEncoding, longest: number, callback?: Callback): boolean {
    this.#makeRoom(longest)
    const length = this.#outbox.putText(text, encoding, longest)
    this.#sendIfMuch()
    return this.#owe(length, callback)
  }

  #put(bytes: Uint8Array, length: number, callback?: Callback): boolean {
    if (callback === undefined && length <= smallChunk && this.#corks === 0) {
      this.#makeRoom(length)
      this.#outbox.put(bytes, length)
      this.#sendIfMuch()
      return this.#owe(length)
    }
    this.#tell()
    if (length > smallChunk) {
      this.#send(bytes, length)
    } else {
      this.#outbox.put(bytes, length)
      this.#sendIfMuch()
    }
    const more = super.write(length > smallChunk ? bytes : placeholder(length), this.#exact(callback))
    this.#gather()
    return more
  }

  /** @internal Writes `payload` behind its length, as FrameDecoder reads it. */
  writeFrame(payload: Uint8Array, callback?: Callback): boolean {
    const length = headerLength + byteLength(payload)
    if (this.#refusesWrites()) return super.write(placeholder(headerLength), callback)
    if (this.#isTooMuch(length)) return this.#failOver(callback)
    if (length > smallChunk) {
      const header = Buffer.allocUnsafe(headerLength)
      header.writeUInt32BE(byteLength(payload))
      this.#put(header, headerLength)
      return this.#put(payload, length - headerLength, callback)
    }
    this.#makeRoom(length)
    this.#outbox.putFrame(payload, byteLength(payload))
    if (this.#outbox.isLoaded) this.#send()
    return this.#owe(length, callback)
  }

  /** For so many bytes more that the stream is not told of. */
  #makeRoom(length: number): void {
    if (this.#untold + length > smallChunk) this.#tell()
  }

  /**
   * The outbox holds so many bytes more. The stream is told only if somebody waits for them, or for the 'drain' that it owes
   * from the high-water mark on: its write costs more than a small chunk. See `pipeline`, `framed-64` and `ping`.
   */
  #owe(length: number, callback?: Callback): boolean {
    this.#untold += length
    const unsettled = this.#outbox.written - this.#settled
    const isAwaited = callback !== undefined || unsettled >= this.writableHighWaterMark
    if (isAwaited || this.#corks > 0 || this.#id === unconnected) this.#tell(callback)
    else this.#gather()
    return !(this.writableNeedDrain || this.#refusesWrites())
  }

  /** Would so many bytes more break `writeLimit`? Never for those who wait for 'drain'. */
  #isTooMuch(length: number): boolean {
    const { held } = this.#outbox
    return held + length > this.#limit && held > this.writableHighWaterMark && this.writableNeedDrain
  }

  /**
   * Without a callback it is an 'error', though the socket lives on: whoever broadcasts must neither lose a message in silence
   * nor be stopped, by an exception, in front of the other peers. http and its like close the one connection then.
   */
  #failOver(callback: Callback | undefined): false {
    const error = backpressureLimit(this.#outbox.held, this.#limit)
    if (typeof callback === 'function') {
      process.nextTick(callback, error)
    } else {
      process.nextTick(() => {
        if (!this.destroyed) this.#resource.runInAsyncScope(() => this.emit('error', error))
      })
    }
    return false
  }

  /** Tells the stream of what it does not know of, all at once. */
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
    if (chunk !== undefined && chunk !== null) {
      const bytes = bytesOf(chunk, encoding as BufferEncoding, this.#defaultEncoding)
      if (bytes !== undefined && this.#isTooMuch(byteLength(bytes))) {
        this.#failOver(callback as Callback | undefined)
        return this
      }
      if (bytes === undefined) this.write(chunk, encoding as BufferEncoding)
      else this.#put(bytes, byteLength(bytes))
    }
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

  /** What there is, and the large `chunk` behind it. */
  #send(chunk?: Uint8Array, length = 0): void {
    const outbox = this.#outbox
    const before = outbox.sent
    if (chunk === undefined) outbox.send()
    else outbox.sendChunk(chunk, length)
    if (outbox.sent !== before) this.touch()
    this.holdIfBusy()
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
    this.#settle()
    if (!this.#forget()) this.#tell()
    this.expectAnswer()
  }

  /** Of what the kernel has taken, the stream need not learn any more, if it waits for nothing itself. */
  #forget(): boolean {
    const { sent, written } = this.#outbox
    if (sent < written || this.#waiting !== undefined || this.#corks > 0) return false
    this.#untold = 0
    this.#handed = this.#settled = written
    return true
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
    if (failure === 0) return undefined
    return failure === -constants.errno.EFAULT ? bufferChanged() : this.failed(failure, 'write')
  }

  /** Everything is in the kernel: the stream calls this after the last write's callback. */
  override _final(callback: Callback): void {
    const errno = this.#engine.raw.shutdown(this.#id, 1)
    // When the peer is gone there is nobody to tell; else it would wait for the end that it was not told.
    const failure = errno < 0 && errno !== notConnected ? this.failed(errno, 'shutdown') : null
    this.#resource.runInAsyncScope(callback, undefined, failure)
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
    this.#settled = this.#handed
    try {
      this.#resource.runInAsyncScope(callback)
    } finally {
      // The stream may have handed over more, and its callback waits for the next flush, which is part of this one.
      this.#gather()
    }
  }

  /** There is room in the kernel again. */
  protected resumeWriting(): void {
    this.#outbox.unblock()
    this.#send()
    // Who saw before how much was waiting, as node:http does, may write in a tick, and then wait for 'drain'.
    this.#engine.postpone()
    this.#gather()
  }

  /** Bytes written, since the beginning. */
  protected get bytesPut(): number {
    return this.#outbox.written
  }

  /** Bytes that the kernel has taken to send. */
  get bytesWritten(): number {
    return this.#outbox.sent
  }

  /** Does something wait for room in the kernel? */
  protected get isBlocked(): boolean {
    return this.#outbox.isBlocked
  }

  /** Sends what the kernel takes without waiting. */
  protected sendAtLast(): void {
    this.#send()
  }

  /** Nothing is sent any more, because of `error` or without one; what the stream still waits for is called back in a tick. */
  protected endWriting(error: Error | null): void {
    this.#outbox.discard()
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) return
    const outcome = this.#outcome()
    process.nextTick(waiting, outcome === undefined ? (error ?? streamDestroyed()) : outcome)
  }
}
