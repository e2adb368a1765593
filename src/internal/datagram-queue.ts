/**
 * The datagrams for one receiver that the kernel has not taken, and their callbacks.
 *
 * - Datagrams leave in the order in which they were put in, each whole or not at all. One that the kernel refuses is its sender's error alone.
 * - Callbacks are called once and in order, when the kernel has the datagram or with the error that prevented it.
 * - While a receiver is full its queue is blocked, and tries again: the kernel reports room to a connected socket alone.
 */
import { constants } from 'node:os'
import { type WriteCallback } from './callback-queue.js'
import { bufferChanged, messageDropped, systemError } from './errors.js'
import { type DatagramReceiver } from './datagram-receiver.js'
import { type Handle } from './handle.js'
import { INTERNAL, TOO_MANY_REFERENCES } from './native.js'
import { type Parcel } from './parcels.js'
import { RecordQueue } from './record-queue.js'
import { clearImmediate, clearTimeout, nextTick, setImmediate, setTimeout } from './scheduling.js'

const { EAGAIN, EBADF, ECONNREFUSED, EFAULT, ENOBUFS, ENOTCONN, EPERM, EPROTOTYPE } = constants.errno
/** Attempts to send to a full receiver in successive iterations of the event loop: one that is awake reads within microseconds. */
const promptAttempts = 16
/** Milliseconds until each attempt after these: twice as long each time. */
const firstPause = 1
export const longestPause = 16
/** Places of callbacks that were called, after which they are given up. */
const calledLimit = 1024

/** The meanings of some errors of a send, and of connecting to a receiver. */
export const meanings: Record<number, string> = {
  [-ECONNREFUSED]: 'no socket is bound there, or the file is no socket',
  [-ENOTCONN]: 'the socket is not connected; use options.to or connect()',
  [-EPERM]: 'the socket there is connected to another one, or refuses descriptors',
  [-EPROTOTYPE]: 'the socket there is not a datagram socket',
}

/** What the queues of a socket share. */
export interface DatagramQueueOwner {
  readonly handle: Handle
  readonly dropsWhenFull: boolean
  /** Counts what is unsent and blocked: bytes, queues and dropped datagrams, each as a difference. */
  count(unsentBytes: number, blocked: number, dropped: number): void
  /** Connects again to the receiver that has gone. Returns 0, or a negative errno: `errno` if there is none to connect to. */
  reconnect(errno: number): number
  /** A datagram without a callback was not sent. */
  onMessageError(error: Error): void
  /** Nothing can be sent any more. */
  onFailure(error: Error): void
  /** Flushes the queue soon. */
  schedule(queue: DatagramQueue): void
}

interface Awaited {
  readonly end: number
  readonly callback: WriteCallback
  error: Error | null
}

export class DatagramQueue {
  readonly #owner: DatagramQueueOwner
  readonly #records: RecordQueue
  #receiver: DatagramReceiver | undefined
  /** Callbacks, by the position of their datagrams. Those before `#next` were called. */
  #awaited: Awaited[] = []
  #next = 0
  /** Callbacks before this place are not those of unsent datagrams. */
  #settled = 0
  #counted = 0
  #isBlocked = false
  /** Attempts since the kernel has taken something. */
  #attempts = 0
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  /** The position of the datagram for which the socket has connected again. */
  #reconnectedFor = -1
  /** Whether 'drain' is due when everything is sent. */
  needsDrain = false
  /** Whether the owner will flush it. */
  isScheduled = false

  /** `receiver`: undefined for the one that the socket is connected to. */
  constructor(owner: DatagramQueueOwner, receiver: DatagramReceiver | undefined) {
    this.#owner = owner
    this.#receiver = receiver
    this.#records = new RecordQueue(owner.handle)
  }

  /** Its key among the queues of its owner. */
  get key(): string | undefined {
    return this.#receiver?.key
  }

  get isEmpty(): boolean {
    return this.#records.isEmpty
  }

  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Whether nothing is unsent, and no callback is to be called. */
  get isDone(): boolean {
    return this.#records.isEmpty && this.#next === this.#awaited.length
  }

  get unsentBytes(): number {
    return this.#records.unsentBytes
  }

  get sentBytes(): number {
    return this.#records.sentBytes
  }

  /** Puts in a datagram. Returns whether so much is gathered that it should be sent. */
  put(
    record: Uint8Array,
    length: number,
    callback: WriteCallback | undefined,
    parcel: Parcel | undefined,
  ): boolean {
    const isFilling = this.#records.put(record, length, this.#receiver?.bytes, parcel)
    if (callback !== undefined) this.#awaited.push({ end: this.#records.queued, callback, error: null })
    this.#count()
    return isFilling
  }

  #count(dropped = 0): void {
    const { unsentBytes } = this.#records
    this.#owner.count(unsentBytes - this.#counted, 0, dropped)
    this.#counted = unsentBytes
  }

  /** Sends what the kernel takes. */
  send(): void {
    const records = this.#records
    while (!this.#isBlocked && !records.isEmpty) {
      const { sent } = records
      const errno = records.send()
      if (records.sent > sent) this.#attempts = 0
      if (errno !== 0) this.#onRefusal(errno)
    }
    this.#count()
  }

  #onRefusal(errno: number): void {
    if (errno === -EAGAIN || errno === -ENOBUFS) {
      if (this.#owner.dropsWhenFull) this.#drop()
      else this.#wait()
    } else if (errno === TOO_MANY_REFERENCES && this.#records.waitsForOthers) {
      this.#wait()
    } else if (errno === -EBADF || errno === INTERNAL) {
      const error = systemError(errno, 'send', this.#receiver?.display)
      this.#failAll(error)
      this.#owner.onFailure(error)
    } else {
      const isGone = errno === -ECONNREFUSED || errno === -ENOTCONN
      const next = isGone && this.#receiver === undefined ? this.#reconnect(errno) : errno
      if (next < 0) this.#failFirst(next)
    }
  }

  /** Connects again, once for each datagram. */
  #reconnect(errno: number): number {
    const { sent } = this.#records
    if (this.#reconnectedFor === sent) return errno
    this.#reconnectedFor = sent
    return this.#owner.reconnect(errno)
  }

  /** Fails the first unsent datagram. */
  #failFirst(errno: number): void {
    const error =
      errno === -EFAULT
        ? bufferChanged()
        : systemError(errno, 'send', this.#receiver?.display, meanings[errno])
    this.#records.dropFirst()
    const { sent } = this.#records
    while (this.#settled < this.#awaited.length && this.#awaited[this.#settled]!.end < sent) this.#settled++
    const awaited = this.#awaited[this.#settled]
    if (awaited?.end === sent) awaited.error = error
    else this.#owner.onMessageError(error)
  }

  #drop(): void {
    const { sent, queued } = this.#records
    this.#failAll(messageDropped(this.#receiver?.display))
    this.#count(queued - sent)
  }

  /** Fails all unsent datagrams that have callbacks. */
  #failAll(error: Error): void {
    const { sent } = this.#records
    for (const awaited of this.#awaited) if (awaited.end > sent) awaited.error = error
    this.#records.discard()
  }

  #wait(): void {
    this.#setBlocked(true)
    const isAddressed = this.#receiver !== undefined
    if (isAddressed && this.#attempts < promptAttempts) {
      this.#immediate = setImmediate(() => this.resume())
    } else {
      // A connected socket becomes writable, unless other receivers leave too much unread.
      const late = isAddressed ? firstPause * 2 ** (this.#attempts - promptAttempts) : longestPause
      this.#timer = setTimeout(() => this.resume(), Math.min(late, longestPause)).unref()
    }
    this.#attempts++
  }

  #stopWaiting(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    this.#timer = this.#immediate = undefined
  }

  #setBlocked(isBlocked: boolean): void {
    if (this.#isBlocked === isBlocked) return
    this.#isBlocked = isBlocked
    this.#owner.count(0, isBlocked ? 1 : -1, 0)
  }

  /** Tries again soon. */
  resume(): void {
    this.#stopWaiting()
    if (!this.#isBlocked) return
    this.#setBlocked(false)
    this.#owner.schedule(this)
  }

  /** Sends what is unsent to `receiver`, or with undefined to the one that the socket is connected to. */
  redirect(receiver: DatagramReceiver | undefined): void {
    this.#receiver = receiver
    this.#records.redirect(receiver?.bytes)
    this.resume()
  }

  /** Calls back for what was sent or refused. */
  callBack(): void {
    const { sent } = this.#records
    while (this.#next < this.#awaited.length && this.#awaited[this.#next]!.end <= sent) {
      const { callback, error } = this.#awaited[this.#next++]!
      if (this.#next === this.#awaited.length) {
        this.#awaited = []
        this.#next = this.#settled = 0
      } else if (this.#next >= calledLimit && 2 * this.#next >= this.#awaited.length) {
        // A sender that always has messages under way never empties the list.
        this.#awaited.splice(0, this.#next)
        this.#settled = Math.max(0, this.#settled - this.#next)
        this.#next = 0
      }
      callback(error)
    }
  }

  /** Drops what is unsent, with `error`: that of callbacks that wait, and one of the socket where messages have none. */
  giveUp(error: Error): void {
    const { queued, sent } = this.#records
    const unsent = queued - sent
    if (this.#awaited.filter(({ end }) => end > sent).length < unsent) this.#owner.onMessageError(error)
    this.close(error)
  }

  /** Drops what is unsent; callbacks that wait get `error`. */
  close(error: Error): void {
    const { sent } = this.#records
    for (const awaited of this.#awaited.splice(this.#next))
      nextTick(awaited.callback, awaited.end <= sent ? awaited.error : error)
    this.#next = this.#awaited.length
    this.#records.discard()
    this.#count()
    this.#stopWaiting()
    this.#setBlocked(false)
  }
}
