/**
 * The receiving half of a message socket: from a stream's chunks to 'message' listeners and iterations.
 *
 * Messages are delivered one at a time and in order, first to iterations that wait, else to the listeners. While neither wants
 * one the stream is paused, so the peer has to wait. The peer's end and the stream's error come behind the messages that
 * arrived before them, and no listener runs inside a method of the socket.
 */
import { EventEmitter } from 'node:events'
import { invalidValue } from './errors.js'
import { type MessageInfo } from './message-info.js'
import { MessageListeners } from './message-listeners.js'
import { type MessageTimer } from './message-timer.js'
import { type MessageSource } from './message-transport.js'
import { nextTick } from './scheduling.js'

type Result<T> = IteratorResult<T, undefined>
export type MessageIterator<T> = AsyncIterableIterator<T, undefined, undefined>
/** Makes what an iteration yields of a message. An error that it throws destroys the socket. */
export type MessageShape<T> = (message: Buffer, info: MessageInfo) => T

/** Cuts a stream's chunks into messages. */
export interface MessageDecoder {
  /** Whether no byte of a whole message is left for `next()`. */
  readonly isEmpty: boolean
  /** `info`: what came with the chunk, if that is a record. */
  push(chunk: Buffer, info?: MessageInfo): void
  /** Returns the next whole message, or undefined when more bytes have to come. Throws for an invalid one. */
  next(): Buffer | undefined
  /** What came with the message that `next()` returned last. */
  readonly info: MessageInfo
  /** The number of the message of which a part has arrived, if there is one. */
  readonly incomplete?: number | undefined
  /** Throws if the bytes end inside a message. */
  end(): void
  /** Closes the descriptors of messages that are not delivered. */
  discard(): void
}

/** The socket that a delivery is part of. */
export interface DeliveryOwner {
  /** Whether no message is delivered any more. */
  isDestroyed(): boolean
  destroy(error?: Error): void
  /** Every message has been delivered; the stream's error comes next. */
  onFailure(error: Error): void
  /** Every message has been delivered; the peer's end comes next. */
  onEnd(): void
  /** After the peer's end: every iteration is over, and every promise of a listener has settled. */
  onAllAnswered(): void
}

/** A loop over the messages: 'open' from its first `next()` until it gets the end or is left. */
interface Iteration {
  state: 'new' | 'open' | 'over'
  readonly shape: MessageShape<unknown>
}

interface Waiter {
  readonly iteration: Iteration
  resolve(result: Result<unknown>): void
  reject(error: Error): void
}

const done = { value: undefined, done: true } as const

/** An encoding makes text of the stream's chunks. */
export function encodingRefused(): Error {
  return invalidValue('socket', 'it has an encoding, but messages are bytes; leave out setEncoding()')
}

export class MessageDelivery {
  readonly #emitter: EventEmitter
  readonly #stream: MessageSource
  readonly #decoder: MessageDecoder
  readonly #owner: DeliveryOwner
  readonly #listeners: MessageListeners
  readonly #timer: MessageTimer | undefined
  /** 'idle' before the first chunk is wanted: an idle stream has no reader, and closes when its peer has gone. */
  #state: 'idle' | 'reading' | 'ended' = 'idle'
  /** The loop of `deliver()`. */
  #loop: 'stopped' | 'scheduled' | 'running' = 'stopped'
  /** The last of `resume()` and `pause()`. */
  #flow: 'byListeners' | 'flowing' | 'paused' = 'byListeners'
  /** Iterations that wait for a message. */
  readonly #waiters: Waiter[] = []
  #openIterations = 0
  #isIterated = false
  /** The stream's error, until it is delivered. */
  #fault: Error | undefined
  /** Why iterations that start now are rejected; null: they end. Undefined before the socket closes. */
  #closeReason: Error | null | undefined

  constructor(
    emitter: EventEmitter,
    stream: MessageSource,
    decoder: MessageDecoder,
    owner: DeliveryOwner,
    timer?: MessageTimer,
  ) {
    this.#emitter = emitter
    this.#stream = stream
    this.#decoder = decoder
    this.#owner = owner
    this.#timer = timer
    this.#listeners = new MessageListeners(
      emitter,
      () => this.#checkAnswered(),
      reason => this.#onRejection(reason),
    )
    stream.pause()
    stream.on('end', () => this.deliver())
  }

  /** Whether the peer's end has been delivered. */
  get hasEnded(): boolean {
    return this.#state === 'ended'
  }

  /** Whether an iteration was made. */
  get isIterated(): boolean {
    return this.#isIterated
  }

  /** Delivers `error` behind the messages that arrived before it. */
  fail(error: Error): void {
    this.#fault = error
    this.deliver()
  }

  /** Delivers nothing any more. Rejects iterations that wait, and those to come, with `reason`; with null, ends them. */
  close(reason: Error | null): void {
    this.#timer?.stop()
    this.#decoder.discard()
    this.#closeReason = reason
    for (const { iteration, resolve, reject } of this.#waiters.splice(0)) {
      if (reason !== null) {
        reject(reason)
      } else {
        this.#leave(iteration)
        resolve(done)
      }
    }
  }

  pause(): void {
    this.#flow = 'paused'
    this.#timer?.stop()
    this.#stream.pause()
  }

  resume(): void {
    this.#flow = 'flowing'
    this.#proceed()
  }

  /** Takes notice of a new or removed listener of `event`. */
  onListenersChange(event?: string | symbol): void {
    this.#listeners.refresh()
    if (event === 'message') this.#proceed()
  }

  #onRejection(reason: unknown): void {
    if (EventEmitter.captureRejections) this.#owner.destroy(reason as Error)
    // Waiting for the promise has marked its rejection as handled.
    else void Promise.reject(reason)
  }

  // Iteration.

  iterate<T>(shape: MessageShape<T>): MessageIterator<T> {
    this.#isIterated = true
    const iteration: Iteration = { state: 'new', shape }
    const iterator: MessageIterator<T> = {
      next: () => this.#next(iteration) as Promise<Result<T>>,
      return: () => {
        this.#leave(iteration)
        for (const waiter of this.#waiters) if (waiter.iteration === iteration) waiter.resolve(done)
        this.#owner.destroy()
        return Promise.resolve(done)
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #leave(iteration: Iteration): void {
    if (iteration.state === 'open') this.#openIterations--
    iteration.state = 'over'
  }

  #next(iteration: Iteration): Promise<Result<unknown>> {
    if (iteration.state === 'over') return Promise.resolve(done)
    if (iteration.state === 'new') {
      iteration.state = 'open'
      this.#openIterations++
    }
    if (this.#waiters.length === 0 && !this.#owner.isDestroyed()) {
      const message = this.#take()
      if (message !== undefined) {
        return new Promise((resolve, reject) => this.#hand(message, { iteration, resolve, reject }))
      }
    }
    if (this.#state === 'ended') {
      this.#leave(iteration)
      this.#checkAnswered()
      return Promise.resolve(done)
    }
    if (this.#closeReason === null) {
      this.#leave(iteration)
      return Promise.resolve(done)
    }
    if (this.#closeReason !== undefined) return Promise.reject(this.#closeReason)
    return new Promise((resolve, reject) => {
      this.#waiters.push({ iteration, resolve, reject })
      this.#proceed()
    })
  }

  /** Gives a message to an iteration. */
  #hand(message: Buffer, { iteration, resolve, reject }: Waiter): void {
    try {
      resolve({ value: iteration.shape(message, this.#decoder.info), done: false })
    } catch (error) {
      this.#leave(iteration)
      reject(error as Error)
      this.#owner.destroy(error as Error)
    }
  }

  // Delivery.

  /** Whether a message that arrives now is delivered. */
  get #isWanted(): boolean {
    if (this.#owner.isDestroyed()) return false
    if (this.#waiters.length > 0) return true
    return this.#flow === 'byListeners'
      ? this.#emitter.listenerCount('message') > 0
      : this.#flow === 'flowing'
  }

  #take(): Buffer | undefined {
    try {
      return this.#decoder.next()
    } catch (error) {
      this.#owner.destroy(error as Error)
      return undefined
    }
  }

  /** Delivers held messages and reads on, if a message is wanted. */
  #proceed(): void {
    if (!this.#isWanted) return
    const canRead = !this.#stream.readableEnded && this.#fault === undefined
    if (this.#decoder.isEmpty && canRead) this.#read()
    else this.#deliverLater()
  }

  #deliverLater(): void {
    if (this.#loop !== 'stopped') return
    this.#loop = 'scheduled'
    nextTick(() => {
      this.#loop = 'stopped'
      this.deliver()
    })
  }

  #read(): void {
    if (this.#state === 'idle') {
      this.#state = 'reading'
      this.#stream.on('data', (chunk: Buffer | string, info?: MessageInfo) => {
        if (typeof chunk === 'string') {
          this.#owner.destroy(encodingRefused())
          return
        }
        this.#decoder.push(chunk, info)
        this.deliver()
      })
    }
    this.#timer?.track(this.#decoder.incomplete)
    if (this.#stream.isPaused()) this.#stream.resume()
  }

  /** Delivers the messages that are held, as far as they are wanted, and what comes behind them. */
  deliver(): void {
    if (this.#loop !== 'stopped') return
    this.#loop = 'running'
    try {
      while (this.#isWanted) {
        const message = this.#take()
        if (message === undefined) break
        const waiter = this.#waiters.shift()
        if (waiter === undefined) this.#listeners.call(message, this.#decoder.info)
        else this.#hand(message, waiter)
      }
    } catch (error) {
      // A listener threw. Its error comes before the other messages.
      this.#loop = 'stopped'
      this.#stream.pause()
      this.#deliverLater()
      throw error
    }
    this.#loop = 'stopped'
    this.#settle()
  }

  /** Ends, fails, reads on or waits, depending on what the loop has left. */
  #settle(): void {
    if (this.#owner.isDestroyed()) return
    this.#timer?.track(this.#decoder.isEmpty ? this.#decoder.incomplete : undefined)
    if (!this.#decoder.isEmpty) this.#stream.pause()
    else if (this.#fault !== undefined) this.#owner.onFailure(this.#fault)
    else if (this.#stream.readableEnded) this.#settleEnd()
    else if (this.#isWanted) this.#read()
  }

  #settleEnd(): void {
    const isHeld = this.#flow === 'paused' && this.#waiters.length === 0
    if (this.#state === 'ended' || isHeld) return
    try {
      this.#decoder.end()
    } catch (error) {
      this.#owner.destroy(error as Error)
      return
    }
    this.#state = 'ended'
    for (const { iteration, resolve } of this.#waiters.splice(0)) {
      this.#leave(iteration)
      resolve(done)
    }
    try {
      this.#owner.onEnd()
    } finally {
      this.#checkAnswered()
    }
  }

  #checkAnswered(): void {
    const isAnswered = this.#openIterations === 0 && this.#listeners.haveSettled
    if (this.#state === 'ended' && isAnswered) this.#owner.onAllAnswered()
  }
}
