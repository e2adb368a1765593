/**
 * The sending half of a connection of records: what was written, its callbacks, and its end.
 *
 * - Records of one turn are sent together, each whole or not at all. A record that the kernel refuses is its sender's error alone.
 * - Callbacks are called once, in the order of their records, when the kernel has the record or with the error that prevented it.
 * - Nothing is sent after a failure.
 */
import { constants } from 'node:os'
import { byteLength } from './bytes.js'
import { CallbackQueue, type WriteCallback } from './callback-queue.js'
import {
  alreadyFinished,
  backpressureLimit,
  bufferChanged,
  streamDestroyed,
  systemError,
  writeAfterEnd,
} from './errors.js'
import { type Flushable } from './flush-queue.js'
import { type Handle } from './handle.js'
import { INTERNAL, TOO_MANY_REFERENCES } from './native.js'
import { type Parcel } from './parcels.js'
import { RecordQueue } from './record-queue.js'
import { boundCallback } from './resource.js'
import { nextTick, setTimeout } from './scheduling.js'

const { EAGAIN, EBADF, ECONNRESET, EFAULT, ENOTCONN, EPIPE } = constants.errno
/** Milliseconds between two attempts to send descriptors while too many are under way. */
const retryPause = 10
/** What ends a connection; any other error of a send is that of one record. */
const fatal = new Set([-EPIPE, -ECONNRESET, -ENOTCONN, -EBADF, INTERNAL])

/** The socket of a writer. */
export interface RecordWriterOwner {
  readonly destroyed: boolean
  destroy(error: Error): void
  /** Sending has failed for good. `isInternal`: by an error of this package. */
  onSendFailure(error: Error, isInternal: boolean): void
  onDrain(): void
  onFinish(): void
}

const boundSend = (callback: WriteCallback): WriteCallback => boundCallback('PacketSocketSend', callback)

export class RecordWriter implements Flushable {
  readonly #handle: Handle
  readonly #owner: RecordWriterOwner
  readonly #queue: RecordQueue
  readonly #callbacks = new CallbackQueue()
  #endCallbacks: WriteCallback[] = []
  /** Are called once everything is sent. */
  #sentCallbacks: WriteCallback[] = []
  #state: 'open' | 'ending' | 'finished' = 'open'
  #failure: Error | undefined
  #needsDrain = false
  #isScheduled = false

  constructor(handle: Handle, owner: RecordWriterOwner) {
    this.#handle = handle
    this.#owner = owner
    this.#queue = new RecordQueue(handle)
  }

  /** 'ending' after `end()`, and 'finished' once everything is sent and the connection is half-closed. */
  get state(): 'open' | 'ending' | 'finished' {
    return this.#state
  }

  /** Why nothing can be sent any more. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Records that the kernel has taken or refused. */
  get recordsSent(): number {
    return this.#queue.sent
  }

  /** Bytes of the records that the kernel has taken. */
  get bytesSent(): number {
    return this.#queue.sentBytes
  }

  /** Sends one record; returns false when it is time to wait for 'drain'. `callback` gets the error with which it was not sent. */
  write(record: Uint8Array, callback: WriteCallback | undefined, parcel: Parcel | undefined): boolean {
    const length = byteLength(record)
    const error = this.#refusal(length)
    if (error !== undefined) {
      this.#queue.close(parcel)
      if (callback !== undefined) nextTick(boundSend(callback), error)
      // A connection that loses a message unnoticed must not go on.
      if (callback === undefined || this.#state !== 'open') this.#owner.destroy(error)
      return false
    }
    const isFilling = this.#queue.put(record, length, undefined, parcel)
    if (callback !== undefined) this.#callbacks.add(this.#queue.queued, boundSend(callback))
    if (isFilling && !this.#handle.isBlocked) {
      this.#handle.engine.sendQueued(this)
      this.#send()
    }
    this.#schedule()
    this.#needsDrain ||= this.#queue.unsentBytes >= this.#handle.options.stream.highWaterMark!
    return !this.#needsDrain
  }

  /** Returns why a record of `length` bytes cannot be queued, if it cannot. */
  #refusal(length: number): Error | undefined {
    if (this.#owner.destroyed) return streamDestroyed()
    if (this.#state !== 'open') return writeAfterEnd()
    if (this.#failure !== undefined) return this.#failure
    const { unsentBytes } = this.#queue
    const { unsentLimit, stream } = this.#handle.options
    const isOver =
      this.#needsDrain && unsentBytes > stream.highWaterMark! && unsentBytes + length > unsentLimit
    return isOver ? backpressureLimit(unsentBytes, unsentLimit) : undefined
  }

  /** Sends what is queued, then half-closes. `callback` is called then, or with the error that prevented it. */
  end(callback?: WriteCallback): void {
    if (this.#owner.destroyed || this.#state === 'finished') {
      const error = this.#state === 'finished' ? alreadyFinished() : streamDestroyed()
      if (callback !== undefined) nextTick(boundSend(callback), error)
      return
    }
    if (callback !== undefined) this.#endCallbacks.push(boundSend(callback))
    this.#state = 'ending'
    if (this.#failure === undefined) this.#schedule()
    else this.#owner.destroy(this.#failure)
  }

  /** Whether the kernel has taken or refused every record. */
  get isSent(): boolean {
    return this.#queue.isEmpty
  }

  /** Calls back once it has, or with the error that prevented it. */
  whenSent(callback: WriteCallback): void {
    const error = this.#owner.destroyed ? streamDestroyed() : this.#failure
    if (error !== undefined) {
      nextTick(callback, error)
      return
    }
    this.#sentCallbacks.push(callback)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#handle.engine.queueFlush(this)
  }

  /** Sends again, because the kernel has room. */
  resume(): void {
    this.#handle.isBlocked = false
    this.#send()
    this.#schedule()
  }

  /** Sends what the kernel takes. */
  #send(): void {
    const { engine, options } = this.#handle
    if (this.#queue.isEmpty) return
    engine.sent(options.busyPoll)
    while (!this.#queue.isEmpty && this.#failure === undefined && !this.#owner.destroyed) {
      const errno = this.#queue.send()
      if (errno === -EAGAIN) {
        this.#handle.isBlocked = true
        return
      }
      if (errno === TOO_MANY_REFERENCES && this.#queue.waitsForOthers) {
        this.#resumeLater()
        return
      }
      if (fatal.has(errno)) this.#fail(errno)
      else if (errno < 0) this.#failRecord(errno)
    }
  }

  /** Tries again soon: the kernel does not report when it takes descriptors again. */
  #resumeLater(): void {
    this.#handle.isBlocked = true
    setTimeout(() => {
      if (!this.#owner.destroyed) this.resume()
    }, retryPause)
  }

  /** Reports the error of the first unsent record. Without a callback that gets it, the connection does not go on. */
  #failRecord(errno: number): void {
    const error = errno === -EFAULT ? bufferChanged() : systemError(errno, 'write')
    this.#queue.dropFirst()
    if (!this.#callbacks.fail(this.#queue.sent, error)) this.#owner.destroy(error)
  }

  #fail(errno: number): void {
    const error = systemError(errno, 'write')
    this.#failure = error
    this.#callbacks.callBackSoon(this.#queue.sent, error)
    for (const callback of this.#sentCallbacks.splice(0)) nextTick(callback, error)
    this.#queue.discard()
    this.#owner.onSendFailure(error, errno === INTERNAL)
  }

  /** Sends what is queued without calling back. */
  send(): void {
    this.#isScheduled = false
    if (!this.#handle.isBlocked) this.#send()
  }

  /** Sends what is queued, after what others have queued before. */
  sendInOrder(): void {
    if (this.#queue.isEmpty || this.#failure !== undefined) return
    this.#handle.engine.sendQueued(this)
    this.send()
  }

  /** Sends what is queued, and calls back. */
  flush(): void {
    this.send()
    try {
      const queue = this.#queue
      for (let due = this.#callbacks.takeDue(queue.sent); due; due = this.#callbacks.takeDue(queue.sent))
        due(null)
    } catch (error) {
      // The next flush, which is part of the same turn, does what this one has not done.
      this.#schedule()
      throw error
    }
    if (this.#owner.destroyed || !this.#queue.isEmpty || this.#failure !== undefined) return
    for (const callback of this.#sentCallbacks.splice(0)) nextTick(callback, null)
    if (this.#state === 'ending') {
      this.#finish()
    } else if (this.#needsDrain) {
      this.#needsDrain = false
      this.#owner.onDrain()
    }
  }

  #finish(): void {
    const errno = this.#handle.shutdown(1)
    // ENOTCONN: the peer has gone, and needs no end.
    if (errno < 0 && errno !== -ENOTCONN) {
      this.#owner.destroy(systemError(errno, 'shutdown'))
      return
    }
    this.#state = 'finished'
    for (const callback of this.#endCallbacks.splice(0)) nextTick(callback, null)
    this.#owner.onFinish()
  }

  /** Drops what is unsent, because the socket closes; callbacks that wait get `error`. */
  close(error: Error | undefined): void {
    const callbacks = [...this.#endCallbacks.splice(0), ...this.#sentCallbacks.splice(0)]
    if (!this.#callbacks.isEmpty || callbacks.length > 0) {
      const unsent = error ?? streamDestroyed()
      this.#callbacks.callBackSoon(this.#queue.sent, unsent)
      for (const callback of callbacks) nextTick(callback, unsent)
    }
    this.#queue.discard()
  }
}
