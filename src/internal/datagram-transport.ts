/**
 * Receives the events of a socket for datagrams from the engine: datagrams with their senders, and room to send. It emits 'data' for each
 * datagram, and never 'end', because a sender that closes ends nothing.
 */
import { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import { type Descriptor } from '../descriptor.js'
import { type DatagramInfo } from './datagram-info.js'
import { takeReceived } from './descriptor-delivery.js'
import { type EventHandler } from './engine.js'
import { systemError } from './errors.js'
import { type Handle } from './handle.js'
import { onEvent } from './hooks.js'
import { plainInfo } from './message-info.js'
import { type MessageSource } from './message-transport.js'
import { Kind, RECORD_PLACE } from './native.js'

/** The socket of a transport. */
export interface DatagramTransportOwner {
  onWritable(): void
  /** Messages or descriptors were lost, and the socket goes on. */
  onLoss(error: Error): void
  destroy(error: Error): void
}

const { ECONNREFUSED, ECONNRESET } = constants.errno

export class DatagramTransport extends EventEmitter implements MessageSource, EventHandler {
  readonly handle: Handle
  readonly readableEnded = false
  readonly #owner: DatagramTransportOwner
  readonly #hasCredentials: boolean
  #isPaused = true
  #isClosed = false
  /** Descriptors that came with the next datagram. */
  #brought: Descriptor[] | undefined
  #bytesRead = 0

  constructor(handle: Handle, owner: DatagramTransportOwner, hasCredentials: boolean) {
    super()
    this.handle = handle
    this.#owner = owner
    this.#hasCredentials = hasCredentials
    handle.attach(this)
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    this.handle.readStop()
  }

  resume(): void {
    this.#isPaused = false
    this.start()
  }

  start(): void {
    if (this.#isClosed || this.handle.isReading) return
    const errno = this.handle.readStart()
    if (errno < 0) this.#owner.destroy(systemError(errno, 'read'))
  }

  /** Receives nothing any more. */
  stop(): void {
    this.#isClosed = true
    this.handle.readStop()
    for (const descriptor of this.#brought ?? []) descriptor.close()
    this.#brought = undefined
  }

  [onEvent](kind: number, value: number, detail: number): void {
    this.handle.resource.runInAsyncScope(this.#onEvent, this, kind, value, detail)
  }

  #onEvent(kind: number, value: number, detail: number): void {
    const { engine, options } = this.handle
    if (kind === Kind.writable) {
      this.#owner.onWritable()
      return
    }
    engine.received(options.busyPoll, kind === Kind.record ? value : 1)
    if (kind === Kind.record) this.#takeAll(value, detail)
    else if (kind === Kind.descriptors) this.#receive()
    else if (kind === Kind.error) this.#fail(value)
  }

  #receive(): void {
    const received = takeReceived(this.handle)
    if (received instanceof Error) this.#failDescriptors(received)
    else if (this.#isClosed) for (const descriptor of received) descriptor.close()
    else this.#brought = received
  }

  #failDescriptors(error: Error & { code?: string }): void {
    if (error.code === 'ERR_DESCRIPTORS_LOST') this.#reportLoss(error)
    // Those that could not be taken would come with a later message.
    else this.#owner.destroy(error)
  }

  #reportLoss(error: Error): void {
    if (!this.#isClosed) this.#owner.onLoss(error)
  }

  /** Takes a datagram, and those of this turn that follow it. */
  #takeAll(length: number, detail: number): void {
    const { engine, options } = this.handle
    this.#take(length, detail)
    while (engine.nextRecord()) {
      engine.received(options.busyPoll, engine.value)
      this.#take(engine.value, engine.detail)
    }
  }

  #take(length: number, detail: number): void {
    const descriptors = this.#brought ?? plainInfo.descriptors
    this.#brought = undefined
    if (this.#isClosed) return
    const { scratch } = this.handle.engine
    const offset = detail & RECORD_PLACE
    this.#bytesRead += length
    const truncated = detail < 0
    const from = scratch.senderPath(offset)
    const info: DatagramInfo = this.#hasCredentials
      ? { descriptors, truncated, from, peer: scratch.senderCredentials(offset) }
      : { descriptors, truncated, from }
    this.emit('data', scratch.chunk(offset, length), info)
  }

  #fail(errno: number): void {
    const isLoss = errno === -ECONNRESET || errno === -ECONNREFUSED
    if (isLoss) this.#reportLoss(systemError(errno, 'read', undefined, lossText))
    else this.#owner.destroy(systemError(errno, 'read'))
  }
}

const lossText = 'the peer has disconnected or closed, and what it had not read is lost'
