/**
 * The sending half of a socket for datagrams: a queue for each receiver, so that a full one holds up no other.
 *
 * Datagrams of one turn are sent together. Those for one receiver leave in order.
 */
import { constants } from 'node:os'
import { byteLength } from './bytes.js'
import { type WriteCallback } from './callback-queue.js'
import { DatagramQueue, type DatagramQueueOwner, longestPause } from './datagram-queue.js'
import { type DatagramReceiver } from './datagram-receiver.js'
import { backpressureLimit, streamDestroyed, systemError } from './errors.js'
import { type Flushable } from './flush-queue.js'
import { type Handle } from './handle.js'
import { type Parcel } from './parcels.js'
import { boundCallback } from './resource.js'
import { clearTimeout, nextTick, setTimeout } from './scheduling.js'

const { EAGAIN, EBADF, ECONNREFUSED, ENOBUFS, ENOTCONN } = constants.errno

/** The socket of a writer. */
export interface DatagramWriterOwner {
  /** Connects again to the receiver that has gone. Returns 0, or a negative errno: `errno` if there is none to connect to. */
  reconnect(errno: number): number
  onMessageError(error: Error): void
  /** Nothing can be sent any more. */
  destroy(error: Error): void
  onDrain(): void
}

const bound = (callback: WriteCallback): WriteCallback => boundCallback('DatagramSocketSend', callback)

export class DatagramWriter implements Flushable, DatagramQueueOwner {
  readonly handle: Handle
  readonly dropsWhenFull: boolean
  readonly #owner: DatagramWriterOwner
  /** The queue for the receiver that the socket is connected to. */
  #connected: DatagramQueue
  /** Those for the addresses of messages, by the keys of these. */
  readonly #others = new Map<string, DatagramQueue>()
  /** Those for receivers that the socket was connected to, until they are empty. */
  readonly #left = new Map<string, DatagramQueue>()
  /** Queues that the next flush sends. */
  #scheduled: DatagramQueue[] = []
  #isScheduled = false
  /** Bytes that wait, and 16 for each datagram. */
  #unsentBytes = 0
  #blocked = 0
  #dropped = 0
  /** Bytes that removed queues have sent. */
  #sentBytes = 0
  #state: 'open' | 'ending' | 'closed' = 'open'
  /** Are called once everything is sent or has failed. */
  #sentCallbacks: WriteCallback[] = []
  /** Is called when the kernel has room for that receiver, or may have. */
  onRoom: (() => void) | undefined
  #roomTimer: NodeJS.Timeout | undefined

  constructor(handle: Handle, owner: DatagramWriterOwner, dropsWhenFull: boolean) {
    this.handle = handle
    this.#owner = owner
    this.dropsWhenFull = dropsWhenFull
    this.#connected = new DatagramQueue(this, undefined)
  }

  /** Datagrams that were dropped because their receiver was full. */
  get dropped(): number {
    return this.#dropped
  }

  /** Bytes of the datagrams that the kernel has taken. */
  get bytesSent(): number {
    let bytes = this.#sentBytes + this.#connected.sentBytes
    for (const queue of [...this.#others.values(), ...this.#left.values()]) bytes += queue.sentBytes
    return bytes
  }

  count(unsentBytes: number, blocked: number, dropped: number): void {
    this.#unsentBytes += unsentBytes
    this.#dropped += dropped
    this.#blocked += blocked
    if (this.#state !== 'closed') this.handle.isBlocked = this.#blocked > 0
  }

  /** Sends a datagram; returns false when it is time to wait for 'drain'. */
  write(
    record: Uint8Array,
    callback: WriteCallback | undefined,
    receiver: DatagramReceiver | undefined,
    parcel: Parcel | undefined,
  ): boolean {
    const length = byteLength(record)
    const queue = this.#queueFor(receiver)
    const error = this.#refusal(queue, length)
    if (error !== undefined) {
      for (const id of parcel?.descriptors ?? []) this.handle.engine.raw.closeDescriptor(id)
      if (callback !== undefined) nextTick(bound(callback), error)
      else if (this.#state !== 'closed') this.#owner.onMessageError(error)
      return false
    }
    const isFilling = queue.put(record, length, callback && bound(callback), parcel)
    if (isFilling && !queue.isBlocked) {
      this.handle.engine.sendQueued(this)
      queue.send()
    }
    this.schedule(queue)
    queue.needsDrain ||= queue.unsentBytes >= this.handle.options.stream.highWaterMark!
    return !queue.needsDrain
  }

  /** Sends a datagram, unless others wait for its receiver. Returns 0 or a negative errno; -EAGAIN: there is no room. */
  sendNow(record: Uint8Array, receiver: DatagramReceiver | undefined): number {
    if (this.#state !== 'open') return -EBADF
    this.handle.engine.sendQueued()
    const queue = receiver === undefined ? this.#connected : this.#others.get(receiver.key)
    if (queue !== undefined && !queue.isEmpty) return -EAGAIN
    const errno = this.#sendOne(record, receiver?.bytes)
    const isGone = errno === -ECONNREFUSED || errno === -ENOTCONN
    const isBack = isGone && receiver === undefined && this.#owner.reconnect(errno) === 0
    return isBack ? this.#sendOne(record, undefined) : errno
  }

  #sendOne(record: Uint8Array, to: Uint8Array | undefined): number {
    const bounds = Uint32Array.of(0, byteLength(record))
    const sent = this.handle.sendRecords(record, new Uint8Array(bounds.buffer), 0, 1, to)
    if (sent === 1) this.#sentBytes += bounds[1]!
    if (sent === 1) return 0
    // The kernel does not report when it has memory again.
    if (sent === -ENOBUFS && to === undefined)
      this.#roomTimer ??= setTimeout(() => this.#onMemory(), longestPause).unref()
    return sent === 0 || sent === -ENOBUFS ? -EAGAIN : sent
  }

  #onMemory(): void {
    this.#roomTimer = undefined
    this.onRoom?.()
  }

  #queueFor(receiver: DatagramReceiver | undefined): DatagramQueue {
    if (receiver === undefined) return this.#connected
    let queue = this.#others.get(receiver.key)
    if (queue === undefined) {
      queue = new DatagramQueue(this, receiver)
      this.#others.set(receiver.key, queue)
    }
    return queue
  }

  /** Returns why a datagram of `length` bytes cannot be queued, if it cannot. */
  #refusal(queue: DatagramQueue, length: number): Error | undefined {
    if (this.#state !== 'open') return streamDestroyed()
    const { unsentLimit, stream } = this.handle.options
    const isOver =
      queue.needsDrain &&
      queue.unsentBytes > stream.highWaterMark! &&
      this.#unsentBytes + length > unsentLimit
    return isOver ? backpressureLimit(this.#unsentBytes, unsentLimit) : undefined
  }

  schedule(queue: DatagramQueue): void {
    if (!queue.isScheduled) {
      queue.isScheduled = true
      this.#scheduled.push(queue)
    }
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.handle.engine.queueFlush(this)
  }

  reconnect(errno: number): number {
    return this.#owner.reconnect(errno)
  }

  onMessageError(error: Error): void {
    this.#owner.onMessageError(error)
  }

  onFailure(error: Error): void {
    this.#owner.destroy(error)
  }

  /** The kernel has room for the receiver that the socket is connected to. */
  resume(): void {
    this.#connected.resume()
    this.onRoom?.()
  }

  /** Has what was sent to `former`, to which the socket was connected, still go there. */
  leave(former: DatagramReceiver | undefined): void {
    const queue = this.#connected
    if (queue.isDone) return
    this.#connected = new DatagramQueue(this, undefined)
    if (former === undefined) {
      this.#sentBytes += queue.sentBytes
      // It has no address: the socket was made connected.
      queue.giveUp(systemError(-ENOTCONN, 'send', undefined, 'the socket has disconnected'))
      return
    }
    this.#left.set(former.key, queue)
    queue.redirect(former)
  }

  /** Has what was sent to `receiver`, to which the socket is connected again, leave before what follows. */
  rejoin(receiver: DatagramReceiver): void {
    const queue = this.#left.get(receiver.key)
    if (queue === undefined) return
    this.#left.delete(receiver.key)
    this.#sentBytes += this.#connected.sentBytes
    this.#connected = queue
    queue.redirect(undefined)
  }

  /** Sends what is queued without calling back. */
  send(): void {
    if (this.#state === 'closed' || this.#scheduled.length === 0) return
    this.handle.engine.sent(this.handle.options.busyPoll)
    for (const queue of this.#scheduled) queue.send()
  }

  /** Sends what is queued, after what others have queued before. */
  sendInOrder(): void {
    if (this.#scheduled.length === 0) return
    this.handle.engine.sendQueued(this)
    this.send()
  }

  /** Sends what is queued, and calls back. */
  flush(): void {
    this.#isScheduled = false
    this.send()
    const queues = this.#scheduled
    this.#scheduled = []
    for (const queue of queues) queue.isScheduled = false
    let index = 0
    try {
      for (; index < queues.length; index++) this.#conclude(queues[index]!)
    } catch (error) {
      // The next flush does what this one has not done.
      for (const queue of queues.slice(index)) this.schedule(queue)
      throw error
    }
    if (this.isSent) for (const callback of this.#sentCallbacks.splice(0)) callback(null)
  }

  /** Calls back for what a queue has sent. */
  #conclude(queue: DatagramQueue): void {
    queue.callBack()
    if (!queue.isEmpty || this.#state === 'closed') return
    if (queue.needsDrain) {
      queue.needsDrain = false
      this.#owner.onDrain()
    }
    if (queue.isDone && !queue.isScheduled) this.#remove(queue)
  }

  #remove(queue: DatagramQueue): void {
    const { key } = queue
    for (const queues of [this.#others, this.#left]) {
      if (key === undefined || queues.get(key) !== queue) continue
      queues.delete(key)
      this.#sentBytes += queue.sentBytes
    }
  }

  /** Whether the kernel has taken or refused every datagram. */
  get isSent(): boolean {
    return this.#unsentBytes === 0 && this.#scheduled.length === 0
  }

  /** Calls back once it has, or with the error that prevented it. */
  whenSent(callback: WriteCallback): void {
    if (this.#state === 'closed') {
      nextTick(callback, streamDestroyed())
      return
    }
    this.#sentCallbacks.push(callback)
    this.#scheduleFlush()
  }

  /** The same. Nothing can be put in any more. */
  end(callback: WriteCallback): void {
    this.#state = 'ending'
    this.whenSent(callback)
  }

  /** Drops what is unsent; callbacks that wait get `error`. */
  close(error: Error = streamDestroyed()): void {
    if (this.#state === 'closed') return
    this.sendInOrder()
    this.#state = 'closed'
    if (this.#roomTimer !== undefined) clearTimeout(this.#roomTimer)
    for (const queue of [this.#connected, ...this.#others.values(), ...this.#left.values()])
      queue.close(error)
    for (const callback of this.#sentCallbacks.splice(0)) nextTick(callback, error)
  }
}
