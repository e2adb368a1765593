/**
 * The handle of a socket: its connection in the engine, with every system call that the socket's parts make, and what keeps the process alive.
 */
import { constants } from 'node:os'
import { type Held } from '../descriptor.js'
import { pathFromBytes, type UnixSocketPath } from '../path.js'
import { type PeerCredentials, peerCredentials } from '../peer.js'
import { type Engine, type EventHandler, unconnected } from './engine.js'
import { systemError } from './errors.js'
import { type Resource } from './resource.js'
import { type InternalSocketOptions } from './socket-options.js'

/** The id of a connection that was closed. */
const closed = -2
const { ENOTCONN } = constants.errno

/** What a handle is made with, beside what every socket has. */
export interface HandleOptions {
  readonly localPath?: UnixSocketPath | undefined
  readonly remotePath?: UnixSocketPath | undefined
  /** Is called when the descriptor is closed; must not run code of the user's. */
  readonly onClosed?: (() => void) | undefined
}

/**
 * One connection of a socket, which the socket, its reader and its writer share. All their system calls are made here.
 *
 * It is first unconnected, in sockets of `udsock/net`, then open, with its id in the engine, and then closed for good: a socket that connects
 * again gets another handle. A handle that is not open makes no system call: the addon refuses its id with EBADF.
 *
 * While it is open and referenced, it keeps the process alive if it reads, or if bytes wait for room in the kernel.
 */
export class Handle {
  readonly engine: Engine
  readonly options: InternalSocketOptions
  /** Whether bytes go into the user's memory, and not through the stream. */
  readonly hasOnRead: boolean
  readonly localPath: UnixSocketPath | undefined
  readonly #onClosed: (() => void) | undefined
  #id: number
  #resource: Resource
  #isConnecting = false
  /** Is called when the descriptor is closed, for subscribers of the diagnostics channels. */
  onTraced: (() => void) | undefined
  /** A negative errno if the kernel did not report them. */
  #credentials: Required<PeerCredentials> | number
  /** `null` when the peer has no path; undefined until the kernel was asked. */
  #remotePath: UnixSocketPath | null | undefined
  /** 0, or the negative errno of a setting without which the socket must not receive. */
  #setUp = 0
  /** Whether it reads while it is open and not held. */
  #wantsRead = false
  #isHeld = false
  #isBlocked: boolean
  #isReferenced = true
  #keepsAlive = false

  constructor(
    engine: Engine,
    id: number,
    options: InternalSocketOptions,
    resource: Resource,
    { localPath, remotePath, onClosed }: HandleOptions = none,
  ) {
    this.engine = engine
    this.options = options
    this.hasOnRead = options.onread !== undefined
    this.#resource = resource
    resource.owner = this
    this.localPath = localPath
    this.#onClosed = onClosed
    this.#id = id
    this.onTraced = undefined
    this.#remotePath = remotePath
    this.#isBlocked = id < 0
    this.#receiveDescriptors()
    this.#credentials = id < 0 ? -ENOTCONN : engine.peer(id)
  }

  /** Whether there is no connection yet. */
  get isUnconnected(): boolean {
    return this.#id === unconnected
  }

  /** Whether there is a connection. */
  get isOpen(): boolean {
    return this.#id >= 0
  }

  /** The async context of the socket's events. */
  get resource(): Resource {
    return this.#resource
  }

  /** Moves the socket's events into another async context; the one before it is over. */
  set resource(resource: Resource) {
    this.#resource.emitDestroy()
    this.#resource = resource
    resource.owner = this
  }

  /** Notes that a call of `connect()` was made, in the context of `resource`. */
  begin(resource: Resource): void {
    this.#isConnecting = true
    if (resource !== this.#resource) this.resource = resource
  }

  /** Takes over the connection `id`, and delivers its events to `handler`. */
  connect(id: number, remotePath: UnixSocketPath | undefined, handler: EventHandler): void {
    this.#id = id
    this.#remotePath = remotePath
    this.#credentials = this.engine.peer(id)
    this.#isBlocked = false
    this.#receiveDescriptors()
    this.attach(handler)
    this.#keepAlive()
  }

  #receiveDescriptors(): void {
    const { receiveDescriptors } = this.options
    if (receiveDescriptors > 0 && this.#id >= 0)
      this.#setUp = this.engine.driver.receiveDescriptors(this.#id, receiveDescriptors)
  }

  /** Delivers the connection's events to `handler` from now on. */
  attach(handler: EventHandler): void {
    if (this.#id >= 0) this.engine.attach(this.#id, handler)
  }

  /** Closes the descriptor. */
  close(): void {
    if (this.#id >= 0) this.engine.close(this.#id)
    this.#id = closed
    this.#keepAlive()
    this.#onClosed?.()
    this.onTraced?.()
    this.onTraced = undefined
    // Its hooks run in a later phase of the event loop, after 'close'.
    this.#resource.emitDestroy()
  }

  /** The peer's credentials, which are known after the connection was closed, too. Throws a system error if the kernel did not report them. */
  get peer(): PeerCredentials {
    if (typeof this.#credentials === 'number') throw systemError(this.#credentials, 'getsockopt')
    return peerCredentials(this.#credentials)
  }

  /** The path that was connected to, or that the peer of an accepted connection has bound. */
  get remotePath(): UnixSocketPath | undefined {
    if (this.#remotePath === undefined && this.#id >= 0)
      this.#remotePath = pathFromBytes(this.engine.driver.peerAddress(this.#id)) ?? null
    return this.#remotePath ?? undefined
  }

  /** Whether the handle reads, or will when it is connected. */
  get isReading(): boolean {
    return this.#wantsRead && !this.#isHeld
  }

  /** Whether `hold()` was called, and `release()` was not. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Leaves in the kernel what arrives, until `release()`. */
  hold(): void {
    const { isReading } = this
    this.readStop()
    this.#wantsRead = isReading
    this.#isHeld = true
  }

  /** Undoes `hold()`. Returns whether reading was wanted before or meanwhile, and not stopped since: the caller starts it. */
  release(): boolean {
    const wantsRead = this.#wantsRead
    this.#wantsRead = this.#isHeld = false
    return wantsRead
  }

  /** Starts reading: with `onread` every read is announced, else the engine makes the small ones. Returns 0 or a negative errno. */
  readStart(): number {
    this.#wantsRead = true
    if (this.#id < 0 || this.#isHeld) return 0
    if (this.#setUp < 0) return this.#setUp
    this.#keepAlive()
    const answer = this.engine.raw.readStart(this.#id, this.hasOnRead ? 1 : 0)
    if (answer === 1) this.engine.schedulePoll()
    return Math.min(answer, 0)
  }

  /** Stops reading. Returns 0 or a negative errno. */
  readStop(): number {
    if (!this.#wantsRead) return 0
    this.#wantsRead = false
    if (this.#id < 0) return 0
    this.#keepAlive()
    const answer = this.engine.raw.readStop(this.#id)
    if (answer === 1) this.engine.schedulePoll()
    return Math.min(answer, 0)
  }

  /** Reads into `memory`. Returns the count of bytes, 0 for the peer's end, or a negative errno. */
  read(memory: Uint8Array): number {
    return this.engine.raw.read(this.#id, memory)
  }

  /** Whether a read would find bytes, an end or an error in the kernel. */
  get hasKernelInput(): boolean {
    return this.engine.raw.hasInput(this.#id) !== 0
  }

  /** Whether bytes, an end or an error wait: in the kernel, or in the engine. */
  get hasInput(): boolean {
    return this.engine.hasInput(this.#id)
  }

  /** Whether the kernel's buffer is full, or there is no connection yet: nothing is sent meanwhile. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  set isBlocked(isBlocked: boolean) {
    if (this.#isBlocked === isBlocked) return
    this.#isBlocked = isBlocked
    this.#keepAlive()
  }

  /** Sends the bytes of `chunk` from `start` to `end`. Returns how many the kernel took, or a negative errno. */
  write(chunk: Uint8Array, start: number, end: number): number {
    return this.engine.raw.write(this.#id, chunk, start, end)
  }

  /** Sends the first `count` chunks, without the first `skip` bytes. Returns how many bytes the kernel took, or a negative errno. */
  writev(chunks: Uint8Array[], lengths: number[], count: number, skip: number): number {
    return this.engine.raw.writev(this.#id, chunks, lengths, count, skip)
  }

  /** The same as `write`, of a whole chunk of `length` bytes, with descriptors that the addon holds, by their ids. */
  writeWith(chunk: Uint8Array, length: number, descriptors: readonly number[]): number {
    return this.engine.raw.writeWith(this.#id, chunk, 0, length, descriptors, descriptors.length)
  }

  /** The same with descriptors by their numbers, which stay the caller's. */
  writeLent(chunk: Uint8Array, length: number, numbers: readonly number[]): number {
    return this.engine.raw.writeLent(this.#id, chunk, 0, length, numbers, numbers.length)
  }

  /** Takes the descriptors of the oldest read that brought some: see `RawFunctions`. */
  takeDescriptors(memory: Uint8Array): number {
    return this.engine.raw.takeDescriptors(this.#id, memory)
  }

  /** Gives the descriptor up without a shutdown. The addon holds it from now on. Throws a system error. */
  detach(): Held {
    const { driver } = this.engine
    const id = driver.detach(this.#id)
    if (id < 0) throw systemError(id, 'detach')
    this.engine.attach(this.#id, undefined)
    this.#id = closed
    return { id, fd: driver.descriptorNumber(id) }
  }

  /** Sets the bytes of the longest record that is received whole. After an error the socket receives none: `readStart()` returns the error, too. */
  setLongestRecord(length: number): number {
    const errno = this.#id >= 0 ? this.engine.driver.setLongestRecord(this.#id, length) : 0
    if (errno < 0) this.#setUp = errno
    return errno
  }

  /**
   * Sends records of `memory`, `count` from `first` on, to the peer or to the address `to`. `bounds` are the bytes of two 32-bit integers for each
   * record, where it begins and ends. Returns how many records the kernel took, or a negative errno, which concerns the first one.
   */
  sendRecords(
    memory: Uint8Array,
    bounds: Uint8Array,
    first: number,
    count: number,
    to: Uint8Array | undefined,
  ): number {
    return this.engine.raw.sendRecords(this.#id, memory, bounds, first, count, to)
  }

  /** Sends the record from `start` to `end` with descriptors that the addon holds. Returns 1, or a negative errno. */
  sendRecordWith(
    record: Uint8Array,
    start: number,
    end: number,
    descriptors: readonly number[],
    to: Uint8Array | undefined,
  ): number {
    return this.engine.raw.sendRecordWith(this.#id, record, start, end, descriptors, descriptors.length, to)
  }

  /** Has every datagram come with its sender's credentials. Returns 0 or a negative errno. */
  passCredentials(): number {
    return this.engine.driver.passCredentials(this.#id, true)
  }

  /** Binds a socket for datagrams. Returns 0 or a negative errno. */
  bindDatagrams(address: Uint8Array): number {
    return this.engine.driver.bindDatagrams(this.#id, address)
  }

  /** Makes `address` the receiver of a socket for datagrams, and its only sender. Returns 0 or a negative errno. */
  connectDatagrams(address: Uint8Array): number {
    return this.engine.driver.connectDatagrams(this.#id, address)
  }

  /** Undoes `connectDatagrams()`. Returns 0 or a negative errno. */
  disconnectDatagrams(): number {
    return this.engine.driver.disconnectDatagrams(this.#id)
  }

  /** Ends a direction, 0 the readable one and 1 the writable one. Returns 0 or a negative errno. */
  shutdown(how: 0 | 1): number {
    return this.engine.raw.shutdown(this.#id, how)
  }

  get isReferenced(): boolean {
    return this.#isReferenced
  }

  /** Whether it is connecting or open, and referenced. */
  hasRef(): boolean {
    return this.#isReferenced && (this.#id >= 0 || (this.isUnconnected && this.#isConnecting))
  }

  ref(): void {
    this.#isReferenced = true
    this.#keepAlive()
  }

  unref(): void {
    this.#isReferenced = false
    this.#keepAlive()
  }

  #keepAlive(): void {
    const keepsAlive = this.#id >= 0 && this.#isReferenced && (this.isReading || this.#isBlocked)
    if (keepsAlive === this.#keepsAlive) return
    this.#keepsAlive = keepsAlive
    if (keepsAlive) this.engine.ref()
    else this.engine.unref()
  }
}

const none: HandleOptions = {}
