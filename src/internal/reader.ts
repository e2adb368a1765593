/**
 * The readable half of a socket: when it reads and into what memory, and how bytes, the peer's end and failures reach the stream.
 *
 * Bytes are delivered in order. An end or a failure behind them comes in a turn of its own, so promises and immediates that follow from the bytes
 * run before it, as with node:net. A failure waits, while the stream has a reader, until the reader has consumed what arrived before.
 */
import { constants } from 'node:os'
import { Duplex } from 'node:stream'
import { binding } from './binding.js'
import { deliverDescriptors } from './descriptor-delivery.js'
import { type Handle } from './handle.js'
import { type FailureOwner, HeldFailure } from './held-failure.js'
import { carriesSession, isIgnoredBySession } from './http2.js'
import { callError, endReading, onStall, touch } from './hooks.js'
import { INTERNAL, READ_SIZE } from './native.js'
import { memoryError, type OnRead } from './onread.js'
import { type Deferrable } from './phases.js'
import { isIgnoredByTls } from './tls.js'

/** The socket of a reader, as the reader uses it. */
export interface ReadableSocket extends Duplex {
  [touch](): void
  [callError](errno: number, syscall: string): Error
  [endReading](): void
  [onStall](): void
}

const bulkReads = 4
/** Full reads after which the allocator keeps freed memory: a program that receives less than 16 MiB keeps none. See the benchmark receive. */
const readsUntilKept = 256
let fullReads = 0
const wouldBlock = -constants.errno.EAGAIN

const { push } = Duplex.prototype

export class Reader implements Deferrable, FailureOwner {
  readonly #handle: Handle
  readonly #socket: ReadableSocket
  /** The memory that the user gave for the next read. */
  #memory: Uint8Array | undefined
  #isClosed = false
  #received = 0
  /** The engine's turn in which the last bytes were delivered. */
  #turn = -1
  /** An end (0) or a failure that waits for a turn of its own. */
  #conclusion: number | Error | undefined
  /** Whether the peer had gone before the stream began to read. */
  #isUnread = false
  /** The failure that waits for the reader. */
  heldFailure: HeldFailure | undefined

  constructor(handle: Handle, socket: ReadableSocket) {
    this.#handle = handle
    this.#socket = socket
  }

  /** Bytes received. */
  get received(): number {
    return this.#received
  }

  /** Whether nothing more will be delivered. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Continues, because the handle has a connection now. */
  connect(): void {
    if (this.#handle.isReading) this.#start()
  }

  /** Asks the user for the memory of the first read. */
  prepareMemory(): void {
    const { onread } = this.#handle.options
    if (onread !== undefined) this.#memory = this.#memoryOf(onread)
  }

  start(): void {
    if (!this.#handle.isReading && !this.#isClosed) this.#start()
  }

  #start(): void {
    const errno = this.#handle.readStart()
    if (errno === INTERNAL) this.conclude(errno)
  }

  stop(): void {
    const errno = this.#handle.readStop()
    if (errno === INTERNAL) this.conclude(errno)
  }

  /** Reads, because the peer has gone, and its end is all that is left to read. */
  hangUp(): void {
    this.#isUnread = true
    this.start()
  }

  /** Stops for good: nothing more is delivered. */
  close(): void {
    this.#isClosed = true
    this.stop()
  }

  /** Ends the readable side, because the peer has ended. */
  end(): void {
    if (this.#isClosed) return
    this.close()
    if (carriesSession(this.#socket) && this.#hasNothingLeft()) {
      this.#socket.destroy()
      return
    }
    this.#socket.push(null)
    // As node:net does: without a consumer 'end' would never be emitted.
    this.#socket.read(0)
    this.heldFailure?.reconsider()
  }

  /** Whether nothing waits to be read, or to be sent to a peer that is there. */
  #hasNothingLeft(): boolean {
    const { readableLength, writableLength } = this.#socket
    return readableLength === 0 && (writableLength === 0 || this.heldFailure !== undefined)
  }

  /** Ends the readable side at once: neither the kernel nor the stream delivers anything more. */
  shutdown(): void {
    const socket = this.#socket
    if (!this.#handle.isOpen || socket.readableEnded) return
    // This end is not the peer's, so it must not end the writable side.
    socket.allowHalfOpen = true
    const hadEnded = this.#isClosed
    this.close()
    if (this.#handle.shutdown(0) === INTERNAL) socket.destroy(socket[callError](INTERNAL, 'shutdown'))
    // Without events: what the stream has buffered must not reach its readers.
    const own = Object.getOwnPropertyDescriptor(socket, 'emit')
    Object.defineProperty(socket, 'emit', { value: () => false, configurable: true })
    if (!hadEnded) socket.push(null)
    while (socket.read() !== null);
    Reflect.deleteProperty(socket, 'emit')
    if (own !== undefined) Object.defineProperty(socket, 'emit', own)
    socket.read(0)
  }

  /** Forgets a failure that waits, because the socket is destroyed. */
  cancelFailure(): void {
    this.heldFailure?.cancel()
    this.heldFailure = undefined
  }

  /** Delivers `length` bytes that are in the engine's scratch memory. */
  takeScratch(offset: number, length: number): void {
    if (!this.#isClosed && this.#conclusion === undefined)
      this.#take(this.#handle.engine.scratch.chunk(offset, length))
  }

  /** Reads into memory of its own. */
  takeBulk(): void {
    const { onread } = this.#handle.options
    for (let reads = 0; reads < bulkReads && this.#handle.isReading; reads++)
      if (!(onread === undefined ? this.#readChunk() : this.#readInto(onread))) return
  }

  /** Delivers the descriptors that came with the next bytes. */
  takeDescriptors(): void {
    const lost = deliverDescriptors(this.#socket, this.#handle, this.#isClosed)
    if (lost === undefined) return
    this.stop()
    this.conclude(lost)
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.length
    this.#turn = this.#handle.engine.turn
    this.#socket[touch]()
    if (this.#isFlowing()) this.#socket.emit('data', chunk)
    else if (!this.#socket.push(chunk)) this.stop()
    this.heldFailure?.reconsider()
  }

  /** Whether `push` would only emit 'data'. Emitting saves the tick and the `read(0)` of `push`. */
  #isFlowing(): boolean {
    const socket = this.#socket
    return (
      socket.readableFlowing === true &&
      socket.readableLength === 0 &&
      socket.readableEncoding === null &&
      socket.readableDidRead &&
      socket.listenerCount('data') > 0 &&
      !socket.destroyed &&
      socket.push === push
    )
  }

  /** Reads a chunk; returns whether there may be more. */
  #readChunk(): boolean {
    const memory = Buffer.allocUnsafeSlow(READ_SIZE)
    const length = this.#read(memory)
    if (length === READ_SIZE) {
      if (++fullReads === readsUntilKept) binding().keepFreedMemory()
      this.#take(memory)
      return true
    }
    if (length === 0) return false
    // Never hands out memory that was not filled: it may hold old data of this process.
    const chunk = Buffer.allocUnsafeSlow(length)
    memory.copy(chunk, 0, 0, length)
    this.#take(chunk)
    return false
  }

  #memoryOf({ buffer }: OnRead): Uint8Array {
    return typeof buffer === 'function' ? buffer.call(this.#socket) : buffer
  }

  #readInto(onread: OnRead): boolean {
    const memory = (this.#memory ??= this.#memoryOf(onread))
    const error = memoryError('the memory of options.onread', memory)
    if (error !== undefined) {
      this.conclude(error)
      return false
    }
    const length = this.#read(memory)
    if (length === 0) return false
    const mayBeMore = length === memory.length
    this.#received += length
    this.#turn = this.#handle.engine.turn
    this.#socket[touch]()
    const goesOn = onread.callback.call(this.#socket, length, memory) !== false
    this.#memory = this.#memoryOf(onread)
    if (!goesOn) this.stop()
    return goesOn && mayBeMore
  }

  /** Reads; returns the count of bytes, or 0 if none came. */
  #read(memory: Uint8Array): number {
    const length = this.#handle.read(memory)
    if (length > 0) return this.#handle.options.receiveDescriptors > 0 ? this.#takeBeside(length) : length
    if (length !== wouldBlock) this.conclude(length)
    return 0
  }

  /** Delivers the descriptors that came with `length` bytes; returns 0 if the bytes must not follow. */
  #takeBeside(length: number): number {
    try {
      this.takeDescriptors()
    } catch (error) {
      // A listener threw. The bytes are delivered all the same.
      this.#handle.engine.reportUncaught(error)
    }
    return this.#conclusion === undefined && !this.#isClosed ? length : 0
  }

  /** Reports an end (0) or a failure in the socket's async context, in the next turn if bytes were delivered in this one. */
  conclude(conclusion: number | Error): void {
    if (this.#conclusion !== undefined || this.#isClosed) return
    this.#conclusion = conclusion
    if (this.#turn === this.#handle.engine.turn) this.#handle.engine.phases.defer(this)
    else this.proceed()
  }

  proceed(): void {
    this.#handle.resource.runInAsyncScope(this.#report, this)
  }

  #report(): void {
    const conclusion = this.#conclusion
    if (conclusion === undefined || this.#isClosed) return
    this.#conclusion = undefined
    if (conclusion === 0) {
      this.#socket[endReading]()
      return
    }
    this.close()
    // Without a reader, a peer that has gone without having read everything is no failure: the socket closes.
    if (this.#isUnread && this.#socket.listenerCount('error') === 0) this.#socket.destroy()
    else if (typeof conclusion !== 'number') this.failAfterReader(conclusion)
    else this.#fail(conclusion)
  }

  #fail(errno: number): void {
    const error = this.#socket[callError](errno, 'read')
    if (errno === INTERNAL) this.#socket.destroy(error)
    else this.failAfterReader(error)
  }

  /** Destroys the socket because the connection has failed: with a reader, when the reader has consumed what arrived before. */
  failAfterReader(error: Error): void {
    if (this.#socket.destroyed || !this.#hasReader()) {
      this.destroy(error)
      return
    }
    if (this.#isFailureIgnored()) this.cancelFailure()
    this.heldFailure ??= new HeldFailure(error, this)
    this.heldFailure.reconsider()
  }

  /**
   * The failure that waits for the reader, if the reader itself waits for the writer: for 'drain', as `socket.pipe(socket)` does, or for the
   * callback of a write. A session ignores it at once.
   */
  get stalledFailure(): Error | undefined {
    if (this.heldFailure === undefined) return undefined
    const waitsForDrain = this.#socket.readableFlowing !== true && this.#socket.listenerCount('drain') > 0
    const isStalled = this.heldFailure.isOverdue || waitsForDrain || this.#isFailureIgnored()
    return isStalled ? this.heldFailure.error : undefined
  }

  get mayFail(): boolean {
    return this.#isConsumed() || !this.#hasReader()
  }

  get hasBuffered(): boolean {
    return this.#socket.readableLength > 0 && this.#hasReader()
  }

  destroy(error: Error): void {
    this.#socket.destroy(this.#isIgnored(error) ? undefined : error)
  }

  /** Whether the failure is no error to the protocol over the socket. */
  #isIgnored(error: Error): boolean {
    return isIgnoredBySession(this.#socket, error) || isIgnoredByTls(this.#socket, error)
  }

  #isFailureIgnored(): boolean {
    return this.heldFailure !== undefined && this.#isIgnored(this.heldFailure.error)
  }

  onStall(): void {
    this.#socket[onStall]()
  }

  /** Whether the stream has a reader: listens for 'data' or 'readable', flowing or paused, or calls `read()`. */
  #hasReader(): boolean {
    const socket = this.#socket
    return (
      socket.readableFlowing === true ||
      this.#handle.hasOnRead ||
      socket.listenerCount('data') > 0 ||
      socket.listenerCount('readable') > 0 ||
      (socket.readableDidRead && socket.readableFlowing === null)
    )
  }

  /** Whether the reader has consumed everything that the peer had sent. */
  #isConsumed(): boolean {
    return this.#socket.readableLength === 0 && (this.#isClosed || !this.#handle.hasKernelInput)
  }
}
