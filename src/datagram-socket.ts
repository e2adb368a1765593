/** Datagrams over Unix-domain sockets (SOCK_DGRAM): messages with a sender's address, between any number of sockets. */
import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { type Descriptor } from './descriptor.js'
import { DatagramPeer } from './internal/datagram-peer.js'
import { type DatagramInfo, type DatagramSendOptions } from './internal/datagram-info.js'
import { readSend } from './internal/datagram-send.js'
import { DatagramTransport } from './internal/datagram-transport.js'
import { DatagramWriter } from './internal/datagram-writer.js'
import { type DatagramSettings } from './internal/datagram-settings.js'
import { detached, DetachableRecords } from './internal/detaching.js'
import { atCaller, illegalConstructor, invalidState } from './internal/errors.js'
import { Handle } from './internal/handle.js'
import { failureOf, handleOf, partsOf } from './internal/hooks.js'
import { datagramFields, type InspectContext, inspected } from './internal/inspect.js'
import { onListenersChange, watchListeners } from './internal/listener-changes.js'
import { messageBytes } from './internal/message-bytes.js'
import { MessageDelivery } from './internal/message-delivery.js'
import { Note } from './internal/native.js'
import { RecordDecoder } from './internal/records.js'
import { nextTick } from './internal/scheduling.js'
import { validateFunction } from './internal/validation.js'
import { type UnixSocketPath } from './path.js'

/** The events of a DatagramSocket, with their listeners' arguments. */
export interface DatagramEvents {
  /** A message, and what came with it. */
  message: [message: Buffer, info: DatagramInfo]
  /** There is room again for a receiver to which a `send()` returned false. */
  drain: []
  /** Another socket of the same user has taken the path over (`onExisting`). What has arrived here can still be read. */
  superseded: []
  /** The socket file was removed or replaced by other means. */
  pathlost: []
  close: []
  /** A message without a callback was not sent, or messages were lost; the socket goes on. Or the socket has failed: 'close' follows. */
  error: [error: Error]
}

type Callback = (error?: Error | null) => void
type Message = Uint8Array | string
type Received = { data: Buffer } & DatagramInfo

/**
 * A socket for datagrams, which `bindDatagram()`, `socketpair()` and `adopt()` make. A message arrives whole, once, and in order with the others
 * that its sender sent in the same way, with `to` or without. It may be empty.
 *
 * A receiver that is full makes messages to it wait, and no others; `options.whenFull` changes that. A message that cannot be sent is an error of
 * that message alone: its callback gets it, without a callback it is an 'error' event, and the socket goes on. ECONNREFUSED, ENOENT and ENOTCONN
 * mean that there is no receiver. A socket that is connected to a path connects again when its receiver was replaced.
 *
 * Receiving starts with the first 'message' listener, `resume()` or iteration. Until then, and while the socket is paused, messages stay in the
 * kernel, and their senders wait.
 */
export class DatagramSocket
  extends EventEmitter<DatagramEvents>
  implements AsyncIterable<Received>, AsyncDisposable
{
  readonly #transport: DatagramTransport
  readonly #writer: DatagramWriter
  readonly #delivery: MessageDelivery
  readonly #decoder = new RecordDecoder()
  readonly #settings: DatagramSettings
  readonly #peer: DatagramPeer
  /** 'closing' while what was sent waits for room, 'destroyed' until 'close'. */
  #state: 'open' | 'closing' | 'destroyed' | 'closed' = 'open'
  #failure: Error | undefined

  /** @internal */
  constructor(handle: Handle, settings?: DatagramSettings) {
    if (!(handle instanceof Handle) || settings === undefined)
      throw illegalConstructor(
        DatagramSocket,
        'DatagramSocket',
        "bindDatagram(), socketpair() or adopt() with { type: 'datagram' }",
      )
    super()
    this.#settings = settings
    this.#transport = new DatagramTransport(
      handle,
      {
        onWritable: () => this.#writer.resume(),
        onLoss: error => void this.emit('error', error),
        destroy: error => this.destroy(error),
      },
      settings.credentials,
    )
    const owner = {
      reconnect: (errno: number) => this.#peer.reconnect(errno),
      onMessageError: (error: Error) => this.#emitLater(error),
      destroy: (error: Error) => void this.destroy(error),
      onDrain: () => void handle.resource.runInAsyncScope(() => this.emit('drain')),
    }
    this.#writer = new DatagramWriter(handle, owner, settings.dropsWhenFull)
    this.#peer = new DatagramPeer(handle, this.#writer)
    this.#delivery = new MessageDelivery(this, this.#transport, this.#decoder, {
      isDestroyed: () => this.#state !== 'open',
      destroy: error => void this.destroy(error),
      onFailure: error => void this.destroy(error),
      onEnd: () => {},
      onAllAnswered: () => {},
    })
    if (settings.bound !== undefined) settings.bound.onPathNote = note => this.#onPathNote(note)
  }

  #emitLater(error: Error): void {
    nextTick(() => {
      if (this.#state === 'closed') return
      this[handleOf].resource.runInAsyncScope(() => this.emit('error', error))
    })
  }

  #onPathNote(note: number): void {
    if (this.#state !== 'open') return
    const event = note === Note.superseded ? 'superseded' : 'pathlost'
    this[handleOf].resource.runInAsyncScope(() => this.emit(event))
  }

  /** The path or abstract name that the socket is bound to, if it is. */
  get path(): UnixSocketPath | undefined {
    return this[handleOf].localPath
  }

  /** The path that the socket was connected to by `connect()`. */
  get remotePath(): UnixSocketPath | undefined {
    return this.#peer.path
  }

  /**
   * Makes the socket at `path` the receiver of messages without `to`, and the only sender that this socket receives from. Messages that were
   * sent before still go to the previous receiver.
   *
   * Rejects with a system error (`syscall` 'connect', `address`): ENOENT, ECONNREFUSED (no socket is bound there any more), EACCES, EPROTOTYPE (no
   * datagram socket), EPERM (it is connected to another socket). Rejects with ERR_INVALID_STATE if the socket is closed, and as `send()` throws.
   */
  async connect(path: UnixSocketPath): Promise<void> {
    try {
      this.#checkOpen()
      this.#peer.connect(path)
    } catch (error) {
      throw atCaller(error, connect)
    }
  }

  /** Undoes `connect()`. Throws ERR_INVALID_STATE if the socket is closed. */
  disconnect(): void {
    try {
      this.#checkOpen()
      this.#peer.disconnect()
    } catch (error) {
      throw atCaller(error, disconnect)
    }
  }

  #checkOpen(): void {
    if (this.#state !== 'open') throw invalidState('The socket is closed')
  }

  // Sending.

  /**
   * Sends one message, to `options.to` or to the receiver that the socket is connected to; returns false when it is time to wait for 'drain'. A
   * message of up to 8 KiB is copied. The memory of a larger one must not change before `callback`, which is called when the kernel has the
   * message, or with the error that prevented it.
   *
   * A message beyond `writeLimit` fails with ERR_BACKPRESSURE_LIMIT; the limit counts what waits for all receivers, and refuses only messages to
   * one for which 'drain' is due. `options.descriptors` are sent with the message, and never without it.
   *
   * @throws ERR_FRAME_TOO_LARGE beyond `maxMessageLength`; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_ACCESS_DENIED. Nothing is sent.
   */
  send(message: Message, callback?: Callback): boolean
  send(message: Message, options?: DatagramSendOptions, callback?: Callback): boolean
  send(message: Message, second?: DatagramSendOptions | Callback, third?: Callback): boolean {
    try {
      return typeof second === 'object' && second !== null
        ? this.#send(message, third, second)
        : this.#send(message, second ?? third)
    } catch (error) {
      throw atCaller(error, send)
    }
  }

  #send(message: unknown, callback?: Callback, options?: DatagramSendOptions): boolean {
    const bytes = messageBytes(message, this.#settings.maxMessageLength)
    if (callback !== undefined) validateFunction('callback', callback)
    if (options === undefined) return this.#writer.write(bytes, callback, undefined, undefined)
    const { receiver, parcel } = readSend(this[handleOf].engine, bytes.length, options)
    return this.#writer.write(bytes, callback, receiver, parcel)
  }

  /** Sends one message; resolves when the kernel has it. Rejects with the error that prevented it, and with those that `send()` throws. */
  sendAndWait(message: Message, options?: DatagramSendOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      try {
        this.#send(message, error => (error ? reject(error) : resolve()), options)
      } catch (error) {
        reject(atCaller(error, sendAndWait))
      }
    })
  }

  /** Messages that were dropped because their receiver was full, with `whenFull: 'drop'`. */
  get dropped(): number {
    return this.#writer.dropped
  }

  /** Bytes of the messages that the kernel has taken. */
  get bytesWritten(): number {
    return this.#writer.bytesSent
  }

  /** Bytes of the messages that have arrived. */
  get bytesRead(): number {
    return this.#transport.bytesRead
  }

  /** Holds messages, and makes senders wait once the kernel holds enough, until `resume()`. */
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
   * Iterates over every message, with what came with it, until the socket closes. Leaving the loop destroys the socket. The loop throws what
   * would be emitted as 'error' before 'close'. While the loop's body is busy senders have to wait.
   */
  messages(): AsyncIterableIterator<Received> {
    return this.#delivery.iterate((data, info) => ({ data, ...info }) as Received)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Received> {
    return this.messages()
  }

  /** @internal */
  [onListenersChange](event?: string | symbol): void {
    this.#delivery.onListenersChange(event)
  }

  /** Whether 'close' was emitted. */
  get closed(): boolean {
    return this.#state === 'closed'
  }

  /**
   * Receives nothing any more, waits until the kernel has taken or refused everything that was sent, then closes; with `unlinkOnClose`, removes
   * the file. Resolves then. Messages that have not been delivered are lost.
   */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    const closed = new Promise<void>(resolve => this.once('close', resolve))
    if (this.#state === 'open') {
      this.#state = 'closing'
      this.#stop(null)
      this.#writer.end(() => this.destroy())
    }
    await closed
  }

  /**
   * Stops receiving, waits as `close()` does, and returns the descriptor: open, bound and connected as it was, and blocking. 'close' follows; the
   * file stays. Rejects with ERR_INVALID_STATE if the socket is closed, and while messages that have arrived are not delivered: it goes on then.
   */
  async detach(): Promise<Descriptor> {
    const parts = [this.#transport, this.#writer, this.#decoder] as const
    return await detached(new DetachableRecords(this, ...parts, () => this.#checkOpen()), detach)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Sends what the kernel takes without waiting, then closes. `error` is emitted as 'error', unless an iteration throws it. */
  destroy(error?: Error): this {
    if (this.#state === 'destroyed' || this.#state === 'closed') return this
    this.#state = 'destroyed'
    this.#failure = error
    this.#writer.close(error)
    this.#stop(error ?? null)
    void this.#close()
    return this
  }

  #stop(reason: Error | null): void {
    this.#transport.stop()
    this.#delivery.close(reason)
  }

  async #close(): Promise<void> {
    const { bound } = this.#settings
    // After detach() the file is that of the descriptor's next owner.
    if (bound?.unlinkOnClose === true && this[handleOf].isOpen) await bound.remove()
    const { resource } = this[handleOf]
    this[handleOf].close()
    bound?.forget()
    nextTick(() =>
      resource.runInAsyncScope(() => {
        this.#state = 'closed'
        try {
          const isThrown = this.#delivery.isIterated && this.listenerCount('error') === 0
          if (this.#failure !== undefined && !isThrown) this.emit('error', this.#failure)
        } finally {
          this.emit('close')
        }
      }),
    )
  }

  /** @internal */
  get [partsOf](): { peer: DatagramPeer; writer: DatagramWriter } {
    return { peer: this.#peer, writer: this.#writer }
  }

  /** @internal */
  get [handleOf](): Handle {
    return this.#transport.handle
  }

  /** @internal */
  get [failureOf](): Error | null {
    return this.#failure ?? null
  }

  /** Has the socket keep the process alive while it receives or has messages to send. The default. */
  ref(): this {
    this[handleOf].ref()
    return this
  }

  /** Undoes `ref()`. */
  unref(): this {
    this[handleOf].unref()
    return this
  }

  /** Shows the paths, the state and counts. */
  [inspect.custom](depth: number, options: InspectContext): unknown {
    return inspected(this, () => datagramFields(this, this.#state), depth, options)
  }
}

watchListeners(DatagramSocket.prototype)

const { connect, disconnect, detach, send, sendAndWait } = DatagramSocket.prototype
