/**
 * `detach()`: how a socket gives its descriptor away.
 *
 * Nothing is lost. What the peer sends stays in the kernel once the socket has stopped reading. What the engine had read before is delivered by the
 * end of the turn; if the socket still holds some of it then, the call fails, and the socket goes on. What was written is sent first.
 */
import { Duplex } from 'node:stream'
import { type Descriptor, descriptorOf } from '../descriptor.js'
import { type WriteCallback } from './callback-queue.js'
import { atCaller, invalidState } from './errors.js'
import { type Handle } from './handle.js'
import { bytesQueued, heldBytes } from './hooks.js'
import { type Reader } from './reader.js'
import { type RecordDecoder } from './records.js'
import { setImmediate } from './scheduling.js'

/** What of a socket takes part in `detach()`. */
interface Detachable {
  readonly handle: Handle
  /** Throws if the descriptor cannot be given away. */
  check(): void
  /** Reads. */
  start(): void
  /** Whether the kernel has everything that was written. */
  readonly isSent: boolean
  /** Calls back once it has, or with the error that prevented it. */
  whenSent(callback: WriteCallback): void
  /** Closes the socket, whose descriptor is gone. */
  close(): void
}

/** Gives the descriptor of a socket away. `callee`: the public function. */
export async function detached(socket: Detachable, callee: () => Promise<Descriptor>): Promise<Descriptor> {
  const { handle } = socket
  try {
    if (handle.isHeld) throw invalidState('detach() was called before')
    socket.check()
    handle.hold()
    try {
      // Bytes that are written meanwhile are sent, too.
      do await sent(socket)
      while (!socket.isSent)
      socket.check()
      const descriptor = descriptorOf(handle.detach())
      socket.close()
      return descriptor
    } catch (error) {
      if (handle.release()) socket.start()
      throw error
    }
  } catch (error) {
    throw atCaller(error, callee)
  }
}

/** Waits until the kernel has what was written, and a turn of the engine is over. */
function sent(socket: Detachable): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.whenSent(error => {
      if (error) reject(error)
      else setImmediate(resolve)
    })
  })
}

const write = Duplex.prototype.write as (
  this: Duplex,
  chunk: string,
  encoding: BufferEncoding,
  callback: WriteCallback,
) => boolean

/** What is used of a stream. */
interface DetachableDuplex extends Duplex {
  /** There is one if a FramedSocket reads from the stream. */
  readonly [heldBytes]?: () => number
  readonly [bytesQueued]: number
  readonly bytesWritten: number
}

export class DetachableStream implements Detachable {
  readonly handle: Handle
  readonly #socket: DetachableDuplex
  readonly #reader: Reader

  constructor(socket: DetachableDuplex, handle: Handle, reader: Reader) {
    this.handle = handle
    this.#socket = socket
    this.#reader = reader
  }

  check(): void {
    const socket = this.#socket
    if (this.#reader.heldFailure !== undefined) throw this.#reader.heldFailure.error
    if (!this.handle.isOpen || socket.destroyed)
      throw invalidState('The socket is not connected, or is closed')
    if (socket.writableEnded)
      throw invalidState('end() was called, so the peer gets an end; call detach() instead')
    if (socket.readableLength > 0)
      throw invalidState(
        `${socket.readableLength} bytes were received and not read; read them before detach()`,
      )
    const held = socket[heldBytes]?.() ?? 0
    if (held > 0)
      throw invalidState(
        `The FramedSocket holds ${held} bytes of messages that were not delivered; receive them before detach()`,
      )
  }

  start(): void {
    this.#reader.start()
  }

  get isSent(): boolean {
    const socket = this.#socket
    return socket.writableLength === 0 && socket[bytesQueued] <= socket.bytesWritten
  }

  whenSent(callback: WriteCallback): void {
    write.call(this.#socket, '', 'utf8', callback)
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** What is used of the transport of a socket of records. */
interface Source {
  readonly handle: Handle
  start(): void
}

/** What is used of its sending half. */
interface Sender {
  readonly isSent: boolean
  whenSent(callback: WriteCallback): void
}

/** A socket of records, of which `check` throws when it is closed, or has ended. */
export class DetachableRecords implements Detachable {
  readonly handle: Handle
  readonly #socket: { destroy(): unknown }
  readonly #source: Source
  readonly #sender: Sender
  readonly #decoder: RecordDecoder
  readonly #check: () => void

  constructor(
    socket: { destroy(): unknown },
    source: Source,
    sender: Sender,
    decoder: RecordDecoder,
    check: () => void,
  ) {
    this.handle = source.handle
    this.#socket = socket
    this.#source = source
    this.#sender = sender
    this.#decoder = decoder
    this.#check = check
  }

  check(): void {
    this.#check()
    const { waiting } = this.#decoder
    const what = waiting === 1 ? '1 message was' : `${waiting} messages were`
    if (waiting > 0) throw invalidState(`${what} received and not delivered; receive them before detach()`)
  }

  start(): void {
    this.#source.start()
  }

  get isSent(): boolean {
    return this.#sender.isSent
  }

  whenSent(callback: WriteCallback): void {
    this.#sender.whenSent(callback)
  }

  close(): void {
    this.#socket.destroy()
  }
}
