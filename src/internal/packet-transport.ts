/**
 * The connection of a PacketSocket: records in, records out, and the ends of both directions. It has the part of a Duplex that a message socket
 * uses, and emits 'data' (with what came with the record), 'end', 'drain', 'finish', 'error' and 'close'.
 *
 * - 'end' and 'error' come behind the records that arrived before them, in a later turn. After 'error' only 'close' follows.
 * - The connection closes when both directions have ended, or by `destroy()`.
 */
import { EventEmitter } from 'node:events'
import { type Descriptor } from '../descriptor.js'
import { type UnixSocketPath } from '../path.js'
import { type PeerCredentials } from '../peer.js'
import { type WriteCallback } from './callback-queue.js'
import { takeReceived } from './descriptor-delivery.js'
import { type EventHandler } from './engine.js'
import { invalidState, systemError } from './errors.js'
import { type Handle } from './handle.js'
import { onEvent } from './hooks.js'
import { plainInfo } from './message-info.js'
import { type MessageTransport } from './message-transport.js'
import { Kind, RECORD_PLACE } from './native.js'
import { type Parcel } from './parcels.js'
import { type Deferrable } from './phases.js'
import { RecordWriter, type RecordWriterOwner } from './record-writer.js'
import { nextTick } from './scheduling.js'

function errorOf(conclusion: number | Error): Error {
  return typeof conclusion === 'number' ? systemError(conclusion, 'read') : conclusion
}

export class PacketTransport
  extends EventEmitter
  implements MessageTransport, EventHandler, Deferrable, RecordWriterOwner
{
  readonly handle: Handle
  allowHalfOpen = true
  readonly #writer: RecordWriter
  #isPaused = true
  /** Whether it was ever read. */
  #wasRead = false
  #hasEnded = false
  /** An end (0) or a negative errno that waits for a turn of its own. */
  #conclusion: number | Error | undefined
  /** Descriptors that came with the next record. */
  #brought: Descriptor[] | undefined
  #isDestroyed = false
  #isClosed = false
  #errored: Error | null = null
  /** The engine's turn in which the last record was delivered. */
  #turn = -1
  #bytesRead = 0
  #recordsRead = 0

  constructor(handle: Handle) {
    super()
    this.handle = handle
    this.#writer = new RecordWriter(handle, this)
    handle.attach(this)
  }

  get localPath(): UnixSocketPath | undefined {
    return this.handle.localPath
  }

  get remotePath(): UnixSocketPath | undefined {
    return this.handle.remotePath
  }

  get peer(): PeerCredentials {
    return this.handle.peer
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  get bytesWritten(): number {
    return this.#writer.bytesSent
  }

  /** Records that have arrived and were sent. */
  get messageCount(): number {
    return this.#recordsRead + this.#writer.recordsSent
  }

  get destroyed(): boolean {
    return this.#isDestroyed
  }

  get closed(): boolean {
    return this.#isClosed
  }

  get errored(): Error | null {
    return this.#errored
  }

  get readableEnded(): boolean {
    return this.#hasEnded
  }

  get writableFinished(): boolean {
    return this.#writer.state === 'finished'
  }

  get readyState(): 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.#isDestroyed) return 'closed'
    if (this.#writer.state !== 'open') return this.#hasEnded ? 'closed' : 'readOnly'
    return this.#hasEnded ? 'writeOnly' : 'open'
  }

  // Receiving.

  isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    this.handle.readStop()
  }

  resume(): void {
    this.#isPaused = false
    this.#wasRead = true
    this.start()
  }

  /** Reads, unless nothing more is to be delivered. */
  start(): void {
    if (this.#hasEnded || this.#isDestroyed || this.#conclusion !== undefined) return
    if (this.handle.isReading) return
    const errno = this.handle.readStart()
    if (errno < 0) this.#conclude(errno)
  }

  [onEvent](kind: number, value: number, detail: number): void {
    this.handle.resource.runInAsyncScope(this.#onEvent, this, kind, value, detail)
  }

  #onEvent(kind: number, value: number, detail: number): void {
    const { engine, options } = this.handle
    if (kind !== Kind.writable) engine.received(options.busyPoll, kind === Kind.record ? value : 1)
    if (kind === Kind.record) this.#takeAll(value, detail)
    else if (kind === Kind.descriptors) this.#receive()
    else if (kind === Kind.writable) this.#writer.resume()
    else if (kind === Kind.end) this.#conclude(0)
    else if (kind === Kind.error) this.#conclude(value)
    // The peer has gone, and its end is all that is left to read.
    else if (kind === Kind.hangUp) this.start()
  }

  #receive(): void {
    if (this.#isDestroyed) return
    const received = takeReceived(this.handle)
    if (received instanceof Error) this.#conclude(received)
    else this.#brought = received
  }

  /** Takes a record, and those of this turn that follow it. */
  #takeAll(length: number, detail: number): void {
    const { engine, options } = this.handle
    this.#take(length, detail)
    while (engine.nextRecord()) {
      engine.received(options.busyPoll, engine.value)
      this.#take(engine.value, engine.detail)
    }
  }

  #take(length: number, detail: number): void {
    const descriptors = this.#brought
    this.#brought = undefined
    if (this.#hasEnded || this.#isDestroyed || this.#conclusion !== undefined) {
      for (const descriptor of descriptors ?? []) descriptor.close()
      return
    }
    const { engine } = this.handle
    this.#bytesRead += length
    this.#recordsRead++
    this.#turn = engine.turn
    const isTruncated = detail < 0
    const info =
      isTruncated || descriptors !== undefined
        ? { descriptors: descriptors ?? plainInfo.descriptors, truncated: isTruncated }
        : undefined
    this.emit('data', engine.scratch.chunk(detail & RECORD_PLACE, length), info)
  }

  #conclude(conclusion: number | Error): void {
    if (this.#conclusion !== undefined || this.#isDestroyed) return
    this.#conclusion = conclusion
    this.handle.readStop()
    if (this.#turn === this.handle.engine.turn) this.handle.engine.phases.defer(this)
    else this.#report(conclusion)
  }

  proceed(): void {
    this.handle.resource.runInAsyncScope(this.#report, this, this.#conclusion!)
  }

  #report(conclusion: number | Error): void {
    if (this.#isDestroyed) return
    const { failure } = this.#writer
    if (failure !== undefined) {
      this.destroy(failure)
    } else if (conclusion !== 0) {
      this.destroy(errorOf(conclusion))
    } else {
      this.#hasEnded = true
      this.emit('end')
      this.#closeIfOver()
    }
  }

  // Sending.

  /** Throws if the connection is closed, has failed, or has ended on this side. */
  check(): void {
    if (this.#isDestroyed) throw invalidState('The socket is closed')
    const conclusion = this.#conclusion ?? 0
    const failure = conclusion === 0 ? this.#writer.failure : errorOf(conclusion)
    if (failure !== undefined) throw failure
    if (this.#writer.state !== 'open')
      throw invalidState('The socket has ended, so the peer gets an end; call detach() before')
  }

  get isSent(): boolean {
    return this.#writer.isSent
  }

  whenSent(callback: WriteCallback): void {
    this.#writer.whenSent(callback)
  }

  write(record: Uint8Array, callback: WriteCallback | undefined, parcel?: Parcel): boolean {
    return this.#writer.write(record, callback, parcel)
  }

  end(callback?: WriteCallback): void {
    this.#writer.end(callback)
  }

  /** While records of the peer's, or its end, are there to read, they come before the error. */
  onSendFailure(error: Error, isInternal: boolean): void {
    const isRead = this.#wasRead && !this.#hasEnded
    if (isInternal || !isRead || !this.handle.hasInput) this.destroy(error)
  }

  onDrain(): void {
    this.handle.resource.runInAsyncScope(() => this.emit('drain'))
  }

  onFinish(): void {
    this.handle.resource.runInAsyncScope(() => this.emit('finish'))
    this.#closeIfOver()
  }

  // The end.

  #closeIfOver(): void {
    if (this.#hasEnded && this.writableFinished) this.destroy()
  }

  /** Sends what the kernel takes without waiting, then closes; `error` is emitted as 'error'. */
  destroy(error?: Error): void {
    if (this.#isDestroyed) return
    if (error === undefined) this.#writer.sendInOrder()
    // An error of that send has destroyed the socket.
    if (this.destroyed) return
    this.#isDestroyed = true
    this.#errored = error ?? null
    const { resource } = this.handle
    this.handle.close()
    this.#writer.close(error)
    nextTick(() =>
      resource.runInAsyncScope(() => {
        this.#isClosed = true
        try {
          if (error !== undefined) this.emit('error', error)
        } finally {
          this.emit('close')
        }
      }),
    )
  }
}
