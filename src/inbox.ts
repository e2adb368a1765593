import { constants } from 'node:os'
import { types } from 'node:util'
import { binding } from './binding.js'
import { type Engine, unconnected } from './engine.js'
import { INTERNAL, invalidType, invalidValue } from './errors.js'

/** Memory of the user's for what arrives. */
export interface OnRead {
  /** Read into again and again, or asked for before each read. Not shared with other threads, and not empty. */
  buffer: Uint8Array | (() => Uint8Array)
  /** The first `bytesRead` bytes of `buffer` have just arrived. `false` pauses the socket. */
  callback: (bytesRead: number, buffer: Uint8Array) => boolean | void
}

/** What sockets do with what arrived: one for all of them, because idle ones are many. */
export interface Receiver<Socket> {
  take(socket: Socket, chunk: Buffer): void
  /** Bytes went to the user without a chunk, or reading stopped. */
  touched(socket: Socket): void
  end(socket: Socket): void
  fail(socket: Socket, error: number | Error): void
}

/** Read into memory of its own when that much waits, the same as the reactor's own reads. */
const bulkLength = 64 * 1024
const bulkReads = 4
/** Full reads after which freed memory is kept for the next ones: whoever receives no more than 16 MiB need not hold any. See receive. */
const readsUntilKept = 256
let fullReads = 0
const wouldBlock = -constants.errno.EAGAIN

/** The receiving half of a connection: whether it reads, and into what. */
export class Inbox<Socket> {
  readonly #engine: Engine
  #id: number
  readonly #socket: Socket
  readonly #receiver: Receiver<Socket>
  readonly #onread: OnRead | undefined
  #reading = false
  #closed = false
  #received = 0

  constructor(
    engine: Engine,
    id: number,
    socket: Socket,
    receiver: Receiver<Socket>,
    onread: OnRead | undefined,
  ) {
    this.#engine = engine
    this.#id = id
    this.#socket = socket
    this.#receiver = receiver
    this.#onread = onread
  }

  /** Bytes received, since the beginning. */
  get received(): number {
    return this.#received
  }

  get isReading(): boolean {
    return this.#reading
  }

  /** Will nothing more be received? */
  get isClosed(): boolean {
    return this.#closed
  }

  /** It has a connection now, `id`, or none any more, and has received nothing from it. */
  renew(id: number): void {
    this.#id = id
    this.#received = 0
    this.#closed = false
    if (id === unconnected) this.#reading = false
    else if (this.#reading) this.#start()
  }

  start(): void {
    if (this.#reading || this.#closed) return
    this.#reading = true
    if (this.#id !== unconnected) this.#start()
  }

  #start(): void {
    const answer = this.#engine.raw.readStart(this.#id, this.#onread === undefined ? 0 : 1)
    if (answer === 1) this.#engine.soon()
    else if (answer === INTERNAL) this.#receiver.fail(this.#socket, answer)
  }

  stop(): void {
    if (!this.#reading) return
    this.#reading = false
    if (this.#id === unconnected) return
    const answer = this.#engine.raw.readStop(this.#id)
    if (answer === INTERNAL) this.#receiver.fail(this.#socket, answer)
  }

  close(): void {
    this.#closed = true
    this.stop()
  }

  /** So much is in the engine's scratch memory. */
  takeScratch(offset: number, length: number): void {
    if (!this.#closed) this.#take(this.#engine.chunk(offset, length))
  }

  /** There is something to read into memory of its own. */
  takeBulk(): void {
    for (let reads = 0; reads < bulkReads && this.#reading; reads++)
      if (!(this.#onread === undefined ? this.#readChunk() : this.#readInto(this.#onread))) return
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.length
    this.#receiver.take(this.#socket, chunk)
  }

  /** May there be more? */
  #readChunk(): boolean {
    const memory = Buffer.allocUnsafeSlow(bulkLength)
    const length = this.#read(memory)
    if (length === bulkLength) {
      if (++fullReads === readsUntilKept) binding().keepFreedMemory()
      this.#take(memory)
      return true
    }
    if (length === 0) return false
    // Memory that was not filled may hold anything: it stays here.
    const chunk = Buffer.allocUnsafeSlow(length)
    memory.copy(chunk, 0, 0, length)
    this.#take(chunk)
    return false
  }

  #readInto({ buffer, callback }: OnRead): boolean {
    const memory = typeof buffer === 'function' ? buffer() : buffer
    const error = memoryError('the memory of options.onread', memory)
    if (error !== undefined) {
      this.#receiver.fail(this.#socket, error)
      return false
    }
    const length = this.#read(memory)
    if (length === 0) return false
    const mayBeMore = length === memory.length
    this.#received += length
    this.#receiver.touched(this.#socket)
    if (callback(length, memory) !== false) return mayBeMore
    this.stop()
    this.#receiver.touched(this.#socket)
    return false
  }

  /** Bytes read; 0 when there is nothing, or nothing any more. */
  #read(memory: Uint8Array): number {
    const length = this.#engine.raw.read(this.#id, memory)
    if (length > 0) return length
    if (length === 0) this.#receiver.end(this.#socket)
    else if (length !== wouldBlock) this.#receiver.fail(this.#socket, length)
    return 0
  }
}

/** Refuses what cannot be read into. */
export function validateOnRead(onread: unknown): asserts onread is OnRead | undefined {
  if (onread === undefined) return
  if (typeof onread !== 'object' || onread === null) throw invalidType('options.onread', 'an object', onread)
  const { buffer, callback } = onread as Record<string, unknown>
  if (typeof callback !== 'function') throw invalidType('options.onread.callback', 'a function', callback)
  const error = typeof buffer === 'function' ? undefined : memoryError('options.onread.buffer', buffer)
  if (error !== undefined) throw error
}

function memoryError(name: string, memory: unknown): Error | undefined {
  if (!types.isUint8Array(memory)) return invalidType(name, 'a Uint8Array', memory)
  if (memory.length === 0) return invalidValue(name, 'it has no room')
  return types.isSharedArrayBuffer(memory.buffer) ? invalidValue(name, 'it is shared memory') : undefined
}
