/**
 * What every message socket has in common: its events, sending, and its end. A subclass brings the stream that carries the
 * messages, the decoder that cuts the stream's chunks, and `[transmit]`.
 *
 * 'message', 'end', 'error' and 'close' come in this order, each of the last three at most once, and only 'close' follows 'error'.
 */
import { EventEmitter } from 'node:events'
import {
  atCaller,
  invalidState,
  messageTimedOut,
  messageTruncated,
  prematureClose,
  streamDestroyed,
} from './internal/errors.js'
import { onListenersChange, watchListeners } from './internal/listener-changes.js'
import { messageBytes } from './internal/message-bytes.js'
import { type DeliveryOwner, type MessageDecoder, MessageDelivery } from './internal/message-delivery.js'
import { type MessageInfo, type SendOptions } from './internal/message-info.js'
import { MessageTimer } from './internal/message-timer.js'
import { type MessageTransport } from './internal/message-transport.js'
import { nextTick } from './internal/scheduling.js'
import { validateFunction } from './internal/validation.js'
import { type PeerCredentials } from './peer.js'

/** The events of a message socket, with their listeners' arguments. */
export interface MessageEvents {
  /** A message, and what came with it. Its memory may be shared with other messages that arrived with it. */
  message: [message: Buffer, info: MessageInfo]
  /** There is room again after a `send()` that returned false. */
  drain: []
  /** The peer has ended and every message has been delivered. */
  end: []
  close: []
  error: [error: Error]
}

type Callback = (error?: Error | null) => void
type Message = Uint8Array | string

/** @internal Sends the bytes of one message, and returns false when it is time to wait for 'drain'. */
export const transmit = Symbol('transmit')

/** @internal */
export interface MessageSocketOptions {
  /** Bytes of the longest message, in both directions. */
  readonly maxMessageLength: number
  readonly allowHalfOpen: boolean
  /** Milliseconds from a message's first byte to its last. */
  readonly messageTimeout?: number | undefined
}

/** Messages over a connection: what one side sends as one message the other receives as one, whole, once and in order. */
export abstract class MessageSocket
  extends EventEmitter<MessageEvents>
  implements AsyncIterable<Buffer>, AsyncDisposable
{
  readonly #stream: MessageTransport
  readonly #maxMessageLength: number
  readonly #allowHalfOpen: boolean
  readonly #delivery: MessageDelivery
  /** 'destroyed' by `destroy()` or after an error: no message is delivered any more. 'closed' after 'close'. */
  #state: 'open' | 'destroyed' | 'closed' = 'open'
  /** The error of a `destroy()` that came after the stream had been destroyed by itself. */
  #lateError: Error | undefined
  #isDisposing = false

  /** @internal */
  constructor(stream: MessageTransport, decoder: MessageDecoder, options: MessageSocketOptions) {
    super()
    this.#stream = stream
    this.#maxMessageLength = options.maxMessageLength
    this.#allowHalfOpen = options.allowHalfOpen
    // Otherwise the stream would end itself before the last answers are sent.
    stream.allowHalfOpen = true
    const owner: DeliveryOwner = {
      isDestroyed: () => this.#isDestroyed,
      destroy: error => this.destroy(error),
      onFailure: error => this.#onFailure(error),
      onEnd: () => this.#onEnd(),
      onAllAnswered: () => this.#allowHalfOpen || stream.end(),
    }
    const limit = options.messageTimeout
    const timer =
      limit === undefined ? undefined : new MessageTimer(limit, () => this.destroy(messageTimedOut(limit)))
    this.#delivery = new MessageDelivery(this, stream, decoder, owner, timer)
    stream.on('drain', () => this.emit('drain'))
    stream.on('error', (error: Error) => {
      if (this.#state === 'open') this.#delivery.fail(error)
      // Otherwise the error of `destroy()` takes its place.
      else if (this.#lateError === undefined) this.#report(error)
    })
    stream.on('close', () => {
      // A stream closes by itself after both ends or an error. The messages that are held come first.
      if (this.#delivery.hasEnded || this.#isDestroyed) this.#close()
    })
  }

  /** @internal */
  abstract [transmit](
    bytes: Uint8Array,
    callback: Callback | undefined,
    options: SendOptions | undefined,
  ): boolean

  /** The peer's credentials, as `UnixSocket` has them. Throws a system error if the kernel did not report them. */
  get peer(): PeerCredentials {
    return this.#stream.peer
  }

  // Sending.

  /**
   * Sends one message; returns false when it is time to wait for 'drain'. A message of up to 8 KiB is copied. The memory of a
   * larger one must not change before `callback`, which is called when the kernel has the message, or with the error that
   * prevented it.
   *
   * A message beyond the socket's `writeLimit` fails with ERR_BACKPRESSURE_LIMIT. With `callback`, which gets the error, nothing of
   * the message is sent and the connection stays open. Without `callback` the socket is destroyed.
   *
   * `options.descriptors` are sent with the message, and never without it.
   *
   * @throws ERR_FRAME_TOO_LARGE beyond `maxMessageLength`; nothing is sent, and the connection stays open. ERR_INVALID_ARG_TYPE.
   */
  send(message: Message, callback?: Callback): boolean
  send(message: Message, options?: SendOptions, callback?: Callback): boolean
  send(message: Message, second?: SendOptions | Callback, third?: Callback): boolean {
    try {
      return typeof second === 'object' && second !== null
        ? this.#send(message, third, second)
        : this.#send(message, second ?? third)
    } catch (error) {
      throw atCaller(error, send)
    }
  }

  #send(message: unknown, callback?: Callback, options?: SendOptions): boolean {
    const bytes = messageBytes(message, this.#maxMessageLength)
    if (callback !== undefined) validateFunction('callback', callback)
    return this[transmit](bytes, callback, options)
  }

  /**
   * Sends one message; resolves when the kernel has it. Rejects with the error that prevented it, and with those that `send()`
   * throws. As with a callback of `send()`, the connection stays open after ERR_BACKPRESSURE_LIMIT.
   */
  sendAndWait(message: Message, options?: SendOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      try {
        const callback: Callback = error => {
          if (error === undefined || error === null) resolve()
          else reject(error)
        }
        this.#send(message, callback, options)
      } catch (error) {
        reject(atCaller(error, sendAndWait))
      }
    })
  }

  /**
   * Sends `message`, if it is given, and what is queued, then half-closes. `callback` is called when the kernel has all of it, or with
   * the error that prevented it.
   *
   * @throws ERR_FRAME_TOO_LARGE, ERR_INVALID_ARG_TYPE; then nothing is sent or ended.
   */
  end(callback?: Callback): this
  end(message?: Message, callback?: Callback): this
  end(first?: Message | Callback, second?: Callback): this {
    const message = typeof first === 'function' ? undefined : first
    const callback = typeof first === 'function' ? first : second
    try {
      if (callback !== undefined) validateFunction('callback', callback)
      if (message !== undefined) this.#send(message)
    } catch (error) {
      throw atCaller(error, end)
    }
    const stream = this.#stream
    // A stream that was destroyed without an error does not call back.
    if (callback !== undefined && stream.destroyed && !stream.writableFinished)
      nextTick(callback, streamDestroyed())
    else stream.end(callback)
    return this
  }

  /** Sends what the kernel takes without waiting, then closes. No message is delivered any more; `error` is emitted as 'error'. */
  destroy(error?: Error): this {
    if (this.#isDestroyed) return this
    if (this.#state === 'open') this.#state = 'destroyed'
    if (this.#stream.destroyed) {
      this.#lateError = error
      nextTick(() => this.#close())
    } else {
      this.#stream.destroy(error)
    }
    return this
  }

  /**
   * Ends, waits until the kernel has everything that was sent, then closes. If that fails, rejects with the error, unless 'error'
   * has a listener.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return
    const stream = this.#stream
    const closed = new Promise<void>(resolve => this.once('close', resolve))
    const wasOpen = !stream.destroyed
    if (wasOpen && !stream.writableFinished) {
      this.#isDisposing = true
      await new Promise<void>(resolve => {
        stream.once('finish', resolve).once('close', resolve)
        void closed.then(resolve)
        this.end()
      })
    }
    this.destroy()
    await closed
    if (wasOpen && stream.errored !== null && this.listenerCount('error') === 0) throw stream.errored
  }

  // The end.

  get #isDestroyed(): boolean {
    const stream = this.#stream
    return this.#state !== 'open' || (stream.destroyed && !stream.readableEnded && stream.errored === null)
  }

  /**
   * Emits 'error', unless an iteration or `[Symbol.asyncDispose]()` throws the error instead, as with a stream. After the end of the
   * loop, a peer that closes without reading the last answers is no error for the loop.
   */
  #report(error: Error): void {
    const { hasEnded, isIterated } = this.#delivery
    const isOver = hasEnded && (this.#allowHalfOpen || !('syscall' in error))
    const isThrown = this.#isDisposing || (isIterated && !isOver)
    if (isThrown && this.listenerCount('error') === 0) return
    try {
      this.emit('error', error)
    } catch (failure) {
      // A stream emits no 'close' after an 'error' whose listener throws.
      nextTick(() => this.#close())
      throw failure
    }
  }

  #onFailure(error: Error): void {
    this.#state = 'destroyed'
    this.#report(error)
    if (this.#stream.closed) nextTick(() => this.#close())
  }

  #onEnd(): void {
    if (this.#stream.closed) nextTick(() => this.#close())
    this.emit('end')
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#delivery.close(this.#lateError ?? this.#stream.errored ?? prematureClose())
    try {
      if (this.#lateError !== undefined) this.#report(this.#lateError)
    } finally {
      this.emit('close')
    }
  }

  // Receiving.

  /** @internal */
  [onListenersChange](event?: string | symbol): void {
    this.#delivery.onListenersChange(event)
  }

  /** Holds messages and the end, and after a while makes the peer wait, until `resume()`. */
  pause(): this {
    this.#delivery.pause()
    return this
  }

  /** Delivers messages again. Messages that arrive while 'message' has no listener are discarded. */
  resume(): this {
    this.#delivery.resume()
    return this
  }

  /**
   * Iterates over every message until the peer's end. The end of the loop ends the sending side as well, unless `allowHalfOpen` is set;
   * leaving the loop earlier destroys the socket. The loop throws what would be emitted as 'error', ERR_STREAM_PREMATURE_CLOSE
   * when the socket is destroyed, and ERR_MESSAGE_TRUNCATED, which destroys it. While the loop's body is busy the peer has to wait. If the peer closes after the loop's end
   * without reading the last answers, that is an 'error' only where 'error' has a listener.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    return this.#delivery.iterate(wholeMessage)
  }

  /** Iterates as the socket itself does, and yields what came with each message, too. A truncated message is no error then. */
  messages(): AsyncIterableIterator<{ data: Buffer } & MessageInfo> {
    return this.#delivery.iterate(messageWithInfo)
  }
}

function wholeMessage(message: Buffer, { truncated, descriptors }: MessageInfo): Buffer {
  if (descriptors.length > 0) {
    for (const descriptor of descriptors) descriptor.close()
    throw invalidState('A message came with descriptors, which this iteration does not yield; use messages()')
  }
  if (truncated) throw messageTruncated(message.length)
  return message
}

function messageWithInfo(data: Buffer, info: MessageInfo): { data: Buffer } & MessageInfo {
  return { data, ...info }
}

watchListeners(MessageSocket.prototype)

const { send, sendAndWait, end } = MessageSocket.prototype
