/**
 * The writable half of a socket: a queue of bytes with two positions, `sent <= queued`.
 *
 * `_write`, `_writev` and `_final` of the stream are `write`, `writev` and `final` here, and complete: each appends its chunks, sends, and calls
 * back when `sent` has reached their end, at once if the kernel takes them at once, as node:net does. `shortcut.ts` adds chunks that bypass
 * Writable. Callbacks of both kinds are called in the order of the writes.
 */
import { constants } from 'node:os'
import { Duplex } from 'node:stream'
import { byteLength, longestText } from './bytes.js'
import { CallbackQueue, type WriteCallback } from './callback-queue.js'
import { bufferChanged } from './errors.js'
import { type Flushable } from './flush-queue.js'
import { type Handle } from './handle.js'
import { callError, touch } from './hooks.js'
import { Parcels } from './parcels.js'
import { type Reader } from './reader.js'
import { nextTick, setImmediate } from './scheduling.js'
import { isLost, SendQueue, smallChunk } from './send-queue.js'
import { isIdleStream, isOverridden, type WritableSocket, type WrittenChunk } from './writable-stream.js'

const { ECONNRESET, EFAULT, ENOTCONN, EPIPE } = constants.errno
const superWrite = Duplex.prototype.write as (this: Duplex, chunk: Buffer) => boolean

export class Writer implements Flushable {
  readonly handle: Handle
  readonly socket: WritableSocket
  readonly reader: Reader
  readonly #queue: SendQueue
  /** Whether the engine will flush this writer. */
  #isScheduled = false
  /** Writable's callback for the chunks that it handed over last, and the position at which they end. */
  #waiting: WriteCallback | undefined
  #end = 0
  /** The callbacks of the shortcut that wait. */
  #callbacks: CallbackQueue | undefined
  /** Writable's callback for `final`. */
  #finishing: WriteCallback | undefined
  /** Made at the first write with descriptors. */
  #parcels: Parcels | undefined
  #hasFailed = false
  /** The engine's turn in which Writable was last called back at once: it calls the user back in a tick. */
  #turn = -1

  constructor(handle: Handle, socket: WritableSocket, reader: Reader) {
    this.handle = handle
    this.socket = socket
    this.reader = reader
    this.#queue = new SendQueue(handle)
  }

  /** Bytes that the socket has written. */
  get bytesQueued(): number {
    return this.#queue.queued
  }

  /** Bytes that the kernel has taken. */
  get bytesSent(): number {
    return this.#queue.sent
  }

  /** Unsent bytes that Writable does not account for. */
  get bytesUnaccounted(): number {
    return this.#waiting === undefined ? this.#queue.unsent : 0
  }

  /** Whether Writable waits for a callback. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined
  }

  /** Whether a send or the shutdown has failed. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** Implements `_write`. */
  write(chunk: Uint8Array | string, encoding: BufferEncoding, callback: WriteCallback): void {
    if (this.#parcels?.isEmpty === false) return this.writev([{ chunk, encoding }], callback)
    const bytes = typeof chunk === 'string' ? this.#putText(chunk, encoding) : chunk
    this.handle.engine.sendQueued(this)
    if (bytes === undefined) this.#send()
    else if (byteLength(bytes) > 0) this.#sendChunk(bytes)
    else if (isLost(bytes)) return callback(bufferChanged())
    else this.#send()
    this.#complete(callback)
  }

  /** Implements `_writev`. */
  writev(chunks: readonly WrittenChunk[], callback: WriteCallback): void {
    const parcels = this.#parcels?.isEmpty === false ? this.#parcels : undefined
    for (const { chunk, encoding } of chunks) {
      if (parcels !== undefined) {
        parcels.hold(chunk, encoding)
        continue
      }
      const bytes = typeof chunk === 'string' ? this.#putText(chunk, encoding) : chunk
      if (bytes === undefined) continue
      if (isLost(bytes)) return callback(bufferChanged())
      this.#queue.put(bytes, byteLength(bytes))
    }
    this.handle.engine.sendQueued(this)
    this.#send()
    this.#complete(callback)
  }

  get parcels(): Parcels {
    return (this.#parcels ??= new Parcels(this.handle, () => this.resume()))
  }

  /** Implements `_final`: half-closes when the kernel has taken everything. */
  final(callback: WriteCallback): void {
    this.#finishing = callback
    this.handle.engine.sendQueued(this)
    this.#send()
    // Never calls back at once: the error of a write that follows end() in the same turn comes before 'finish'.
    this.schedule()
  }

  /** Appends a short text; returns the bytes of a long one. */
  #putText(text: string, encoding: BufferEncoding): Buffer | undefined {
    const longest = longestText(text, encoding)
    if (longest > smallChunk) return Buffer.from(text, encoding)
    if (longest > 0) this.#queue.putText(text, encoding, longest)
    return undefined
  }

  /** Calls back for what Writable has handed over, or has a flush do so. */
  #complete(callback: WriteCallback): void {
    const held = this.#parcels?.heldLength ?? 0
    if (this.#queue.unsent + held === 0) {
      if (!this.#isScheduled) this.#queue.settle()
      this.callBackSoon(null)
      this.#turn = this.handle.engine.turn
      callback()
      // Writable may have handed over more in the callback.
      if (this.#waiting === undefined) this.#checkAccount()
    } else {
      this.#waiting = callback
      this.#end = this.#queue.queued + held
      this.schedule()
    }
  }

  /** Destroys the socket if a chunk changed its length while Writable held it: Writable's account is wrong then. */
  #checkAccount(): void {
    const socket = this.socket
    if (socket.writableLength === 0 || socket.writableCorked > 0 || socket.destroyed) return
    // Behind an override Writable may have chunks left.
    if (!isOverridden(socket)) socket.destroy(bufferChanged())
  }

  /** The queue while Writable and this writer are idle, and the connection can send; otherwise undefined. */
  get idleQueue(): SendQueue | undefined {
    const isIdle =
      isIdleStream(this.socket) &&
      this.#waiting === undefined &&
      this.#finishing === undefined &&
      !this.handle.isBlocked &&
      this.#queue.failure === 0
    return isIdle ? this.#queue : undefined
  }

  /** Sends what was put into `idleQueue`: now if it fills, else at the end of the turn. Calls `callback` when the kernel has taken it. */
  sendSoon(isFilling: boolean, callback: WriteCallback | undefined): void {
    if (callback !== undefined) (this.#callbacks ??= new CallbackQueue()).add(this.#queue.queued, callback)
    if (isFilling) {
      this.handle.engine.sendQueued(this)
      this.#send()
    }
    this.schedule()
    this.handle.engine.paceFlush()
  }

  /** Whether a callback of the shortcut waits. */
  get isAwaited(): boolean {
    return this.#callbacks !== undefined && !this.#callbacks.isEmpty
  }

  /**
   * Calls the callbacks of the shortcut, in a tick, for bytes that the kernel has taken; with `error`, for the other ones, too. They come before
   * the callback of a later write, which Writable also calls in a tick.
   */
  callBackSoon(error: Error | null): void {
    this.#callbacks?.callBackSoon(this.#queue.sent, error)
  }

  /** Has the engine flush this writer at the end of the turn. */
  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.handle.engine.queueFlush(this)
  }

  #send(): void {
    if (!this.#hasUnsent()) return
    const { sent } = this.#queue
    this.#queue.send()
    if (this.#parcels !== undefined) this.#parcels.proceed(this.#queue)
    this.#afterSend(sent)
  }

  #hasUnsent(): boolean {
    return this.#queue.unsent > 0 || this.#parcels !== undefined
  }

  #sendChunk(chunk: Uint8Array): void {
    const { sent } = this.#queue
    this.#queue.sendChunk(chunk, byteLength(chunk))
    this.#afterSend(sent)
  }

  #afterSend(before: number): void {
    if (this.#queue.sent === before) return
    this.socket[touch]()
    const { engine, options } = this.handle
    engine.sent(options.busyPoll)
  }

  /** Sends what is queued, after what other writers have queued before. */
  sendInOrder(): void {
    if (!this.#hasUnsent()) return
    this.handle.engine.sendQueued(this)
    this.send()
  }

  /** Sends what is queued without calling back. */
  send(): void {
    this.#isScheduled = false
    this.#send()
    this.#queue.settle()
  }

  /** Sends what is queued, and calls back. */
  flush(): void {
    // False if the bytes were sent already, before those of another writer.
    if (this.#isScheduled) this.send()
    this.#settle()
  }

  /** Sends again, because the kernel has room. */
  resume(): void {
    this.handle.isBlocked = false
    this.#send()
    // node:http reads writableLength and writes on nextTick: flush after the ticks so that its 'drain' is not lost.
    this.handle.engine.postpone()
    this.schedule()
  }

  /** Calls back for what was sent, and does what waits for that. */
  #settle(): void {
    if (this.#turn === this.handle.engine.turn) {
      // The callbacks of earlier writes, which Writable calls in a tick, come first.
      this.callBackSoon(null)
      if (this.#waiting !== undefined) {
        this.#turn = -1
        nextTick(() => this.schedule())
        return
      }
    }
    if (this.#callbacks !== undefined) this.#callBack(this.#callbacks)
    const queue = this.#queue
    if (queue.failure !== 0) this.#settleFailed(queue.failure)
    else if (this.#waiting !== undefined) this.#settleWaiting(this.#waiting)
    else if (this.#finishing !== undefined && queue.unsent === 0) this.#finish(this.#finishing)
    // From now on Writable accounts for what the shortcut took and the kernel has no room for.
    else if (queue.unsent > 0 && this.handle.isBlocked && isIdleStream(this.socket))
      superWrite.call(this.socket, queue.takeBack())
  }

  #callBack(callbacks: CallbackQueue): void {
    try {
      for (let due = callbacks.takeDue(this.#queue.sent); due; due = callbacks.takeDue(this.#queue.sent))
        due(null)
    } catch (error) {
      // The next flush, which is part of the same turn, does what this one has not done.
      this.schedule()
      throw error
    }
  }

  #settleWaiting(callback: WriteCallback): void {
    if (this.#queue.sent < this.#end) return
    this.#waiting = undefined
    this.handle.resource.runInAsyncScope(callback)
    if (this.#waiting === undefined) this.#checkAccount()
  }

  #finish(callback: WriteCallback): void {
    const errno = this.handle.shutdown(1)
    // ENOTCONN: the peer has gone, and needs no end. After any other failure the peer would wait for an end.
    if (errno < 0 && errno !== -ENOTCONN) return this.#reportFailure(errno, 'shutdown')
    this.#finishing = undefined
    this.handle.resource.runInAsyncScope(callback)
  }

  /** Reports the failure of a send. Drops what Writable hands over after it if the reader waits for the writer. */
  #settleFailed(errno: number): void {
    this.#reportFailure(errno, 'write')
    if (this.isPending && this.reader.stalledFailure !== undefined) setImmediate(() => this.#dropFailed())
  }

  #dropFailed(): void {
    const failure = this.reader.stalledFailure
    // Undefined if the socket was destroyed: `close` has called back then.
    if (failure === undefined) return
    this.callBackSoon(failure)
    this.#queue.discard()
    const callback = this.#waiting
    if (callback === undefined) return
    this.#waiting = undefined
    this.handle.resource.runInAsyncScope(callback)
  }

  #reportFailure(errno: number, syscall: 'write' | 'shutdown'): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    const error = errno === -EFAULT ? bufferChanged() : this.socket[callError](errno, syscall)
    if (errno === -EPIPE || errno === -ECONNRESET) this.reader.failAfterReader(error)
    else this.socket.destroy(error)
  }

  /** Whether a callback waits, of Writable's or of the shortcut's. */
  get isPending(): boolean {
    return this.#waiting !== undefined || this.isAwaited
  }

  /**
   * Drops what is unsent, because the socket closes; callbacks that wait get `error`. Returns a function that calls back for the chunks that
   * Writable had handed over, which the socket calls later.
   */
  close(error: Error | null): (() => void) | undefined {
    const callback = this.#waiting
    this.callBackSoon(error)
    this.#parcels?.discard()
    const outcome = this.#queue.sent >= this.#end ? null : error
    this.#queue.discard()
    this.#waiting = this.#finishing = undefined
    if (callback === undefined) return undefined
    return () => this.handle.resource.runInAsyncScope(callback, undefined, outcome)
  }
}
