/** Messages over a connection of records (SOCK_SEQPACKET), each of which is one message. */
import { inspect } from 'node:util'
import { type Descriptor } from './descriptor.js'
import { holdAll, sendOptions } from './internal/descriptor-writing.js'
import { detached, DetachableRecords } from './internal/detaching.js'
import { illegalConstructor } from './internal/errors.js'
import { type Handle } from './internal/handle.js'
import { failureOf, handleOf, messageCount } from './internal/hooks.js'
import { type InspectContext, inspected, socketFields } from './internal/inspect.js'
import { type SendOptions } from './internal/message-info.js'
import { PacketTransport } from './internal/packet-transport.js'
import { RecordDecoder } from './internal/records.js'
import { MessageSocket, transmit, type MessageSocketOptions } from './message-socket.js'
import { type UnixSocketPath } from './path.js'

/**
 * A connection whose messages keep their boundaries in the kernel: one `send()` is one record (SOCK_SEQPACKET), which arrives whole, once and in
 * order. `connect()`, `listen()`, `socketpair()` and `adopt()` make it with `{ type: 'seqpacket' }`. A message may be empty.
 *
 * Reading starts with the first 'message' listener, `resume()` or iteration. Without any of them messages stay in the kernel, and the peer has to
 * wait.
 *
 * The kernel takes a message whole or not at all. It takes none that is longer than the socket's send buffer, which grows with the message up to
 * the system's limit (Linux: net.core.wmem_max): the callback of such a message gets EMSGSIZE, and the connection goes on. Without a callback the
 * socket is destroyed with that error. A message that arrives and is longer than `maxMessageLength` is delivered with `info.truncated`.
 *
 * Emits 'message', 'drain', 'end', 'close' and 'error'. Messages that arrived before an error are delivered before it.
 */
export class PacketSocket extends MessageSocket {
  readonly #transport: PacketTransport
  readonly #decoder: RecordDecoder

  /** @internal */
  constructor(transport: PacketTransport, options?: MessageSocketOptions) {
    if (!(transport instanceof PacketTransport) || options === undefined)
      throw illegalConstructor(
        PacketSocket,
        'PacketSocket',
        "connect(), listen() or socketpair() with { type: 'seqpacket' }",
      )
    const decoder = new RecordDecoder()
    super(transport, decoder, options)
    this.#transport = transport
    this.#decoder = decoder
  }

  /** @internal */
  [transmit](
    bytes: Uint8Array,
    callback: ((error?: Error | null) => void) | undefined,
    options: SendOptions | undefined,
  ): boolean {
    if (options === undefined) return this.#transport.write(bytes, callback)
    const { descriptors = [], whenTooMany = 'wait' } = sendOptions.read(options)
    if (descriptors.length === 0) return this.#transport.write(bytes, callback)
    const { engine } = this.#transport.handle
    const parcel = { length: bytes.length, descriptors: holdAll(engine, descriptors), whenTooMany }
    return this.#transport.write(bytes, callback, parcel)
  }

  /** @internal */
  get [handleOf](): Handle {
    return this.#transport.handle
  }

  /** @internal */
  get [failureOf](): Error | null {
    return this.#transport.errored
  }

  /** @internal */
  get [messageCount](): number {
    return this.#transport.messageCount
  }

  /** Bytes of the messages that have arrived. */
  get bytesRead(): number {
    return this.#transport.bytesRead
  }

  /** Bytes of the messages that the kernel has taken. */
  get bytesWritten(): number {
    return this.#transport.bytesWritten
  }

  /** The path that was connected to; of an accepted socket, the path that the peer has bound, which is rare. */
  get remotePath(): UnixSocketPath | undefined {
    return this.#transport.remotePath
  }

  /** The path of the listener that accepted the socket. */
  get localPath(): UnixSocketPath | undefined {
    return this.#transport.localPath
  }

  /**
   * Stops receiving, sends what was sent, and returns the descriptor: open, not shut down, and blocking. The socket then emits 'close'. Rejects
   * with ERR_INVALID_STATE if the socket has ended or is closed, and while messages that have arrived are not delivered: it goes on then.
   */
  async detach(): Promise<Descriptor> {
    const transport = this.#transport
    const check = (): void => transport.check()
    return await detached(
      new DetachableRecords(this, transport, transport, this.#decoder, check),
      PacketSocket.prototype.detach,
    )
  }

  /** Has the socket keep the process alive while it reads or has messages to send. The default. */
  ref(): this {
    this.#transport.handle.ref()
    return this
  }

  /** Undoes `ref()`. */
  unref(): this {
    this.#transport.handle.unref()
    return this
  }

  /** Shows the path, the state, counts and the peer. */
  [inspect.custom](depth: number, options: InspectContext): unknown {
    return inspected(this, () => socketFields(this.#transport), depth, options)
  }
}
