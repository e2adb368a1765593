import { EventEmitter } from 'node:events'
import { types } from 'node:util'
import { truthful } from './bytes.js'
import { frameTooLarge, invalidType, invalidValue, prematureClose } from './errors.js'
import { FrameDecoder } from './frames.js'
import { isUnixSocket, type UnixSocket } from './socket.js'
import { validateInteger, validateOptions } from './validate.js'

export interface FramedOptions {
  /** Bytes of the longest message, in both directions; a longer one is refused on its length alone. Default 16 MiB. */
  maxFrameLength?: number | undefined
}

/** The events of a `FramedSocket`, with their listeners' arguments. */
export interface FramedEvents {
  /** A whole message. Its memory may be shared with other messages that came with it. */
  message: [message: Buffer]
  /** There is room again after a `send()` that returned false. */
  drain: []
  /** The peer has ended and every message has been delivered. */
  end: []
  close: []
  error: [error: Error]
}

type Listener<E extends keyof FramedEvents> = (...args: FramedEvents[E]) => void
type Callback = (error?: Error | null) => void

interface Waiter {
  resolve(result: IteratorResult<Buffer, undefined>): void
  reject(error: Error): void
}

const defaultMaxFrameLength = 16 * 1024 * 1024
/** What 4 bytes can say. */
const longestFrame = 2 ** 32 - 1
const { isUint8Array } = types
const done = { value: undefined, done: true } as const

const encoded = (): Error => invalidValue('socket', 'it has an encoding, frames are bytes')

/**
 * Messages over a socket: what one side sends as one message the other receives as one, whole, once and in order. On the wire a message is
 * its length, 4 bytes big-endian, and its bytes; it may be empty.
 *
 * Reading starts with the first 'message' listener, `resume()` or iteration. Messages are held, and the peer is made to wait, while nobody
 * takes them. The socket's errors and events come here; nobody else may read from it or write to it.
 *
 * Emits 'message', 'drain', 'end', 'close' and 'error': ERR_FRAME_TOO_LARGE and ERR_FRAME_TRUNCATED, which destroy the socket, and its own.
 */
export class FramedSocket
  extends EventEmitter<FramedEvents>
  implements AsyncIterable<Buffer>, AsyncDisposable
{
  readonly socket: UnixSocket
  readonly #maxFrameLength: number
  readonly #decoder: FrameDecoder
  /** Those who iterate and wait for a message. */
  readonly #waiters: Waiter[] = []
  /** What `resume()` and `pause()` said. */
  #flowing: boolean | undefined
  #delivering = false
  #scheduled = false
  #ended = false
  #destroyed = false
  /** Why it was destroyed, where the socket had closed by itself before. */
  #failure: Error | undefined
  #closed = false
  #iterated = false

  /** `socket`, of any copy of this package, has neither ended nor an encoding. */
  constructor(socket: UnixSocket, options?: FramedOptions) {
    super()
    if (!isUnixSocket(socket)) throw invalidType('socket', 'a UnixSocket', socket)
    validateOptions(options)
    const { maxFrameLength } = (options ?? {}) as FramedOptions
    validateInteger('options.maxFrameLength', maxFrameLength, 0, longestFrame)
    if (socket.readableEncoding !== null) throw encoded()
    if (socket.destroyed || socket.readableEnded) throw invalidValue('socket', 'it has ended')
    this.socket = socket
    this.#maxFrameLength = maxFrameLength ?? defaultMaxFrameLength
    this.#decoder = new FrameDecoder(this.#maxFrameLength)
    socket.pause()
    socket.on('data', (chunk: Buffer | string) => {
      if (typeof chunk === 'string') {
        this.destroy(encoded())
      } else {
        this.#decoder.push(chunk)
        this.#deliver()
      }
    })
    socket.on('end', () => this.#deliver())
    socket.on('drain', () => this.emit('drain'))
    socket.on('error', error => {
      // A message too many for `writeLimit` ends nothing, and no iteration would tell of it.
      if (!socket.destroyed) {
        this.emit('error', error)
        return
      }
      this.#destroyed = true
      this.#tell(error)
    })
    socket.on('close', () => {
      // It closes by itself when both directions have ended; the messages that are held come first.
      if (this.#ended || this.#isDestroyed) this.#close()
    })
  }

  /* ---------------------------------------------------------------- sending */

  /**
   * Sends one message; false when it is time to wait for 'drain'. A message of less than 8 KiB is copied; the memory of a larger one must stay
   * as it is until `callback`, which is called when the kernel has the message, or with the error that kept it.
   * Throws ERR_FRAME_TOO_LARGE beyond `maxFrameLength`; nothing is sent then, and the connection lives on. So it is with
   * ERR_BACKPRESSURE_LIMIT beyond the socket's `writeLimit`, which `callback` gets, or else is emitted as 'error'.
   */
  send(message: Uint8Array | string, callback?: Callback): boolean {
    const bytes = this.#bytesOf(message)
    if (bytes.length > this.#maxFrameLength) throw frameTooLarge(bytes.length, this.#maxFrameLength)
    return this.socket.writeFrame(bytes, callback)
  }

  #bytesOf(message: unknown): Uint8Array {
    if (isUint8Array(message)) return truthful(message)
    if (typeof message !== 'string') throw invalidType('message', 'a string or a Uint8Array', message)
    // UTF-8 has three bytes for a UTF-16 unit at most: counting is needed near the limit only.
    if (message.length * 3 > this.#maxFrameLength) {
      const length = Buffer.byteLength(message)
      if (length > this.#maxFrameLength) throw frameTooLarge(length, this.#maxFrameLength)
    }
    return Buffer.from(message)
  }

  /** Sends what is queued, then half-closes. */
  end(): void {
    this.socket.end()
  }

  /** Sends what the kernel takes without waiting, then closes. No message is delivered any more; `error` is emitted as 'error'. */
  destroy(error?: Error): void {
    if (this.#isDestroyed) return
    this.#destroyed = true
    if (this.socket.destroyed) {
      this.#failure = error
      process.nextTick(() => this.#close())
    } else {
      this.socket.destroy(error)
    }
  }

  /** Tries to send what is queued without waiting, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    const closed = new Promise<void>(resolve => this.once('close', resolve))
    this.destroy()
    await closed
  }

  get #isDestroyed(): boolean {
    return this.#destroyed || (this.socket.destroyed && !this.socket.readableEnded)
  }

  /** As with a stream: whoever iterates is told there. */
  #tell(error: Error): void {
    if (!this.#iterated || this.#ended || this.listenerCount('error') > 0) this.emit('error', error)
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const { reject } of this.#waiters.splice(0)) reject(this.#whyClosed())
    if (this.#failure !== undefined) this.#tell(this.#failure)
    this.emit('close')
  }

  #whyClosed(): Error {
    return this.#failure ?? this.socket.errored ?? prematureClose()
  }

  /* ---------------------------------------------------------------- receiving */

  override on<E extends keyof FramedEvents>(event: E, listener: Listener<E>): this {
    super.on(event, listener as never)
    if (event === 'message') this.#proceed()
    return this
  }

  override addListener<E extends keyof FramedEvents>(event: E, listener: Listener<E>): this {
    return this.on(event, listener)
  }

  override prependListener<E extends keyof FramedEvents>(event: E, listener: Listener<E>): this {
    super.prependListener(event, listener as never)
    if (event === 'message') this.#proceed()
    return this
  }

  /** Holds messages, and after a while makes the peer wait, until `resume()`. */
  pause(): this {
    this.#flowing = false
    this.socket.pause()
    return this
  }

  /** Delivers messages again. Those that come while nobody listens for 'message' are discarded. */
  resume(): this {
    this.#flowing = true
    this.#proceed()
    return this
  }

  /**
   * Every message until the peer's end, which leaves the socket open: `end()` it. Leaving the loop earlier destroys the socket. It throws what
   * 'error' would have told, and ERR_STREAM_PREMATURE_CLOSE when the socket is destroyed. While the loop's body is busy the peer is made to wait.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer, undefined, undefined> {
    this.#iterated = true
    let left = false
    const iterator: AsyncIterableIterator<Buffer, undefined, undefined> = {
      next: () => (left ? Promise.resolve(done) : this.#next()),
      return: () => {
        left = true
        this.destroy()
        return Promise.resolve(done)
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #next(): Promise<IteratorResult<Buffer, undefined>> {
    if (this.#waiters.length === 0 && !this.#isDestroyed) {
      const message = this.#take()
      if (message !== undefined) return Promise.resolve({ value: message, done: false })
    }
    if (this.#ended) return Promise.resolve(done)
    if (this.#closed) return Promise.reject(this.#whyClosed())
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#proceed()
    })
  }

  /** Does anybody want a message now? */
  get #isWanted(): boolean {
    if (this.#isDestroyed) return false
    return this.#waiters.length > 0 || (this.#flowing ?? this.listenerCount('message') > 0)
  }

  #take(): Buffer | undefined {
    try {
      return this.#decoder.next()
    } catch (error) {
      this.destroy(error as Error)
      return undefined
    }
  }

  /** Delivers what is held and goes on reading, if that is wanted. */
  #proceed(): void {
    if (!this.#isWanted) return
    if (this.#decoder.isEmpty && !this.socket.readableEnded) this.#read()
    else this.#deliverLater()
  }

  /** No listener runs inside a method. */
  #deliverLater(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #read(): void {
    if (this.socket.isPaused()) this.socket.resume()
  }

  #deliver(): void {
    if (this.#delivering || this.#scheduled) return
    this.#delivering = true
    try {
      while (this.#isWanted) {
        const message = this.#take()
        if (message === undefined) break
        const waiter = this.#waiters.shift()
        if (waiter === undefined) this.emit('message', message)
        else waiter.resolve({ value: message, done: false })
      }
    } catch (error) {
      // A listener's; the other messages come after it.
      this.#delivering = false
      this.socket.pause()
      this.#deliverLater()
      throw error
    }
    this.#delivering = false
    this.#settle()
  }

  /** Ends, reads on or waits, by what the last delivery left. */
  #settle(): void {
    const { socket } = this
    if (this.#isDestroyed) return
    if (!this.#decoder.isEmpty) socket.pause()
    else if (socket.readableEnded) this.#end()
    else if (this.#isWanted) this.#read()
  }

  #end(): void {
    if (this.#ended) return
    try {
      this.#decoder.end()
    } catch (error) {
      this.destroy(error as Error)
      return
    }
    this.#ended = true
    for (const { resolve } of this.#waiters.splice(0)) resolve(done)
    this.emit('end')
    if (this.socket.closed) process.nextTick(() => this.#close())
  }
}
