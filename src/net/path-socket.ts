/**
 * The class of `net.Socket`: a stream over a path that exists before its connection, and that can connect again after it was closed.
 *
 * A `UnixSocket` does the work. This class adds the life before and between connections, and delays or orders what a UnixSocket does so that
 * the events come as those of node:net do.
 */
import nodeNet, {
  type BlockList,
  type IpcSocketConnectOpts,
  type Server as NetServer,
  type SocketConstructorOpts,
} from 'node:net'
import { constants } from 'node:os'
import { addAbortSignal, Duplex } from 'node:stream'
import { makeAssignable } from '../internal/assignable.js'
import { type WriteCallback } from '../internal/callback-queue.js'
import { Handle } from '../internal/handle.js'
import {
  bytesQueued,
  callError,
  endReading,
  hangUp,
  handleOf,
  ownWrites,
  prepare,
  reportUnsent,
  touch,
  unsentError,
} from '../internal/hooks.js'
import { carriesSession } from '../internal/http2.js'
import { type SocketReadyState } from '../internal/net-socket-surface.js'
import { Resource } from '../internal/resource.js'
import { nextTick, setImmediate } from '../internal/scheduling.js'
import { UnixSocket } from '../socket.js'
import { optionsOf, pathOf } from './arguments.js'
import { Existing } from './callable.js'
import { clientSockets, publishesInFunction } from './channels.js'
import { ConnectCall, onConnectOver } from './connect-call.js'
import { type EarlyWrite, writeOnConnect } from './early-write.js'
import { callFailed, invalidHandle, socketClosed } from './errors.js'
import { SocketHandle } from './handle.js'
import { bufferedBytes, bytesOf, endWithPeer, reopen, restoreWrite } from './node-streams.js'
import { exactAddress, newHandle, signalOf, startReading } from './socket-options.js'
import { throwAtCaller } from './throwing-methods.js'
import { blockListOf, type ServiceType, serviceType } from './unused-options.js'

/**
 * The life of a socket, which may go round more than once:
 * - `unconnected`: no connection exists, and none is being made;
 * - `connecting`: `connect()` was called;
 * - `connected`: the connection is open;
 * - `failed`: the attempt has failed, and the socket is about to be destroyed;
 * - `closing`: the socket was destroyed, and 'close' is due.
 */
type State = 'unconnected' | 'connecting' | 'connected' | 'failed' | 'closing'

/**
 * A stream over a path, as `net.Socket` is for a path: it is made before it is connected, and can connect again after it was closed.
 * Source: class net.Socket of Node's documentation.
 *
 * It also has the members of a UnixSocket that node:net lacks, such as `peer`, `remotePath`, `localPath` and `closeRead()`.
 */
export class PathSocket extends UnixSocket {
  #state: State
  /** The call of `connect()` that is not over. */
  #call: ConnectCall | undefined
  /** What the user assigned to `connecting`, until the state changes. */
  #assignedConnecting: boolean | undefined
  #signal: AbortSignal | undefined
  #serviceType: ServiceType | undefined
  #socketHandle: SocketHandle | undefined
  /** The write that waits for `connect()`; 'allowed' when one may wait. */
  #early: EarlyWrite | 'allowed' | undefined
  /** Bytes of the write that waits for 'connect'. */
  #earlyBytes = 0
  /** Whether 'finish' is due, and whether the peer's end waits for it. */
  #finish: 'due' | 'due before end' | undefined
  /** Calls back, at 'close', for the writes that were unsent. */
  #reportUnsent: (() => void) | undefined
  /** The server that accepted this socket. */
  server: NetServer | null = null
  /** @internal The same, by the name that libraries know. */
  _server: NetServer | null = null
  /** Has no effect on a path. */
  declare blockList: BlockList | undefined
  /** Concerns TCP only: undefined, as on node:net's sockets for a path. */
  declare readonly autoSelectFamilyAttemptedAddresses: string[]

  /**
   * Takes the options of `new net.Socket`. `fd` is a connected Unix-domain socket of this process, which belongs to the new socket from then on.
   *
   * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE; a system error if `fd` is no such socket.
   */
  constructor(options?: SocketConstructorOpts | number)
  /** @internal */
  constructor(options: SocketConstructorOpts | number | undefined, made: Handle | Existing | undefined)
  constructor(options?: SocketConstructorOpts | number, made?: Handle | Existing) {
    const own = made instanceof Handle ? made : newHandle(options)
    super(own, made instanceof Existing ? made.object : undefined)
    this.#state = own.isOpen ? 'connected' : 'unconnected'
    endWithPeer(this)
    if (own.isOpen) startReading(this, options)
    if (made === own) return
    const blockList = blockListOf(options)
    if (blockList !== undefined) this.blockList = blockList
    this.#serviceType = serviceType(options)
    // The stream's own option `signal` could destroy the socket before this constructor is done.
    this.#signal = signalOf(options)
    if (this.#signal !== undefined) addAbortSignal(this.#signal, this)
  }

  /**
   * Connects to a path: `connect(path, callback?)`, `connect({ path }, callback?)`. `callback` is called on 'connect'. While the listener's
   * backlog is full, the attempt waits. A socket that was destroyed can connect again.
   *
   * Emits 'connect' and 'ready', or 'error' (`code`, `errno`, `syscall` 'connect', `address`; ERR_ACCESS_DENIED without `errno`).
   *
   * @throws ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE; ERR_INVALID_ARG_VALUE for a port, which node:net takes.
   */
  connect(path: string, callback?: () => void): this
  connect(options: IpcSocketConnectOpts, callback?: () => void): this
  /** The other forms that node:net takes. A port is refused. */
  connect(...args: unknown[]): this
  connect(...args: unknown[]): this {
    const [options, callback] = optionsOf(args)
    if (!publishesInFunction && clientSockets.hasSubscribers) clientSockets.publish({ socket: this })
    const path = pathOf(options)
    if (callback !== null) this.once('connect', callback)
    restoreWrite(this)
    // The signal has destroyed the socket, and 'close' is due.
    if (this.#state === 'closing' && this.#signal?.aborted) return this
    const resource = new Resource('UnixSocket')
    if (this.destroyed) reopen(this)
    this[touch]()
    const isConnected = this.#isBegun() && (this[handleOf].isOpen || this.#call?.isConnected === true)
    this.#call?.cancel()
    if (!this.#isBegun()) {
      this.#earlyBytes = 0
      this[prepare](resource)
    }
    this.#setState('connecting')
    const call = new ConnectCall(this, path, (options as { [exactAddress]?: Uint8Array })[exactAddress])
    this.#call = call
    call.start(resource, isConnected)
    const early = this.#call === call ? this.#takeEarly() : undefined
    if (early !== undefined) this.#writeOnConnect(early)
    return this
  }

  /** @internal */
  [onConnectOver](isConnected: boolean): void {
    this.#call = undefined
    this.#setState(isConnected ? 'connected' : 'failed')
  }

  /** @internal An object while a connection exists or is being made, and null otherwise. It is no handle of node:net's. */
  get _handle(): SocketHandle | null {
    // node:http asks for it six times a request, and 'connected' is the answer then.
    if (this.#state !== 'connected' && !this.#isBegun()) return null
    return (this.#socketHandle ??= new SocketHandle(this))
  }

  /** Whether a connection is being made. */
  override get connecting(): boolean {
    return this.#assignedConnecting ?? this.#state === 'connecting'
  }

  /** Changes the value of the property only. */
  override set connecting(value: boolean) {
    this.#assignedConnecting = value
  }

  #setState(state: State): void {
    this.#state = state
    this.#assignedConnecting = undefined
  }

  /** Whether `connect()` was called, or the socket made with a connection, since it was closed last. */
  #isBegun(): boolean {
    return this.#state === 'connecting' || this.#state === 'connected' || this.#state === 'failed'
  }

  #isPending(): boolean {
    return this.#state !== 'connected' && this.#state !== 'failed'
  }

  /** @internal The same, by the name that libraries know. */
  get _connecting(): boolean {
    return this.connecting
  }

  /** Whether no connection exists yet, or any more. */
  override get pending(): boolean {
    return this.#isPending()
  }

  override get readyState(): SocketReadyState {
    return this.#state === 'connecting' ? 'opening' : super.readyState
  }

  /** @internal */
  override [endReading](): void {
    // 'finish' comes first: a socket that is destroyed in it emits no 'end'.
    if (this.#finish !== undefined) this.#finish = 'due before end'
    if (this.#finish !== undefined || this.destroyed) return
    super[endReading]()
  }

  /** @internal Does nothing: node:net does not notice it before it reads. */
  override [hangUp](): void {}

  override _write(chunk: Uint8Array, encoding: BufferEncoding, callback: WriteCallback): void {
    if (this.#state === 'connected') return super._write(chunk, encoding, callback)
    const write = (): void => ownMethods._write.call(this, chunk, encoding, callback)
    this.#writeEarly({ chunks: [{ chunk, encoding }], write, callback })
  }

  override _writev(chunks: { chunk: Uint8Array; encoding: BufferEncoding }[], callback: WriteCallback): void {
    if (this.#state === 'connected') return super._writev(chunks, callback)
    const write = (): void => ownMethods._writev.call(this, chunks, callback)
    this.#writeEarly({ chunks, write, callback })
  }

  #takeEarly(): EarlyWrite | undefined {
    const early = this.#early
    this.#early = undefined
    return early === 'allowed' ? undefined : early
  }

  #writeEarly(early: EarlyWrite): void {
    if (this.#isBegun()) this.#writeOnConnect(early)
    else if (this.#early === undefined) early.callback(socketClosed())
    else this.#early = early
  }

  #writeOnConnect({ chunks, write, callback }: EarlyWrite): void {
    this.#earlyBytes = bytesOf(chunks)
    const writeNow = (): void => {
      this.#earlyBytes = 0
      write()
    }
    writeOnConnect(this, writeNow, callback)
  }

  /**
   * Lets a corked write before `connect()` wait for it; otherwise such a write is an error, as on node:net. Node's TLS sends its first message
   * corked, and waits for 'connect' only on sockets of node:net.
   */
  override cork(): void {
    if (this.#state !== 'connected' && !this.#isBegun()) this.#early ??= 'allowed'
    super.cork()
  }

  override _final(callback: WriteCallback): void {
    if (this.#isPending()) this.once('connect', () => this._final(callback))
    else if (carriesSession(this)) super._final(callback)
    // Node's shutdown ends in a later turn: a socket that is destroyed before emits no 'finish'.
    else super._final(error => this.#finishLater(callback, error))
  }

  #finishLater(callback: WriteCallback, error: Error | null | undefined): void {
    this.#finish = 'due'
    setImmediate(() => {
      const isEndDue = this.#finish === 'due before end'
      this.#finish = undefined
      callback(error)
      if (isEndDue) nextTick(() => this[endReading]())
    })
  }

  /** Bytes written, including those that wait for a connection or for room in the kernel. */
  override get bytesWritten(): number {
    return this[bytesQueued] + this.#earlyBytes + bufferedBytes(this)
  }

  /** `writableLength`, or undefined without a connection, which Node's types do not allow. */
  get bufferSize(): number {
    return (this.#isBegun() ? this.writableLength : undefined) as number
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    const wasBegun = this.#isBegun()
    this.#setState('closing')
    this.#call?.cancel()
    this.#call = undefined
    this.#takeEarly()?.callback(error ?? socketClosed())
    super._destroy(error, failure => {
      callback(failure)
      // node:net emits 'close' when its handle has closed.
      if (wasBegun)
        this[handleOf].engine.phases.whenClosing(() =>
          this[handleOf].resource.runInAsyncScope(this.#emitClose, this, [error !== null]),
        )
      else nextTick(() => this.#emitClose([]))
    })
  }

  /** @internal */
  override [unsentError](error: Error | null): Error | null {
    // The kernel's error, or else that of libuv for a write that was unsent.
    return (error as NodeJS.ErrnoException | null)?.syscall === 'write'
      ? error
      : callFailed(-constants.errno.ECANCELED, 'write')
  }

  /** @internal node:net reports them when its handle has closed. */
  override [reportUnsent](report: () => void, hasFailed: boolean): void {
    if (hasFailed) super[reportUnsent](report, hasFailed)
    else this.#reportUnsent = report
  }

  #emitClose(hadError: [boolean] | []): void {
    const report = this.#reportUnsent
    this.#reportUnsent = undefined
    report?.()
    if (this.#state === 'closing') this.#state = 'unconnected'
    this.emit('close', ...hadError)
  }

  /** @internal Where node:net has it: what was set, or 0. */
  getTypeOfService(): number {
    return this.#serviceType?.getTypeOfService?.() ?? 0
  }

  /** @internal Where node:net has it: validated, and of no effect on a path. */
  setTypeOfService(value: number): this {
    this.#serviceType ??= new nodeNet.Socket() as ServiceType
    this.#serviceType.setTypeOfService?.(value)
    return this
  }

  /** Concerns TCP only. @throws ERR_INVALID_HANDLE_TYPE when connected, as node:net does for a path. */
  resetAndDestroy(): this {
    if (this.#isBegun()) throw invalidHandle()
    return this.destroy(socketClosed())
  }

  /** Destroys the socket, with an AbortError if it has not ended, and waits for 'close', as every stream of Node does. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await Duplex.prototype[Symbol.asyncDispose].call(this)
  }

  override setTimeout(milliseconds: number, callback?: () => void): this {
    return this.destroyed ? this : super.setTimeout(milliseconds, callback)
  }

  /** @internal */
  override [callError](errno: number, syscall: string): Error {
    return callFailed(errno, syscall)
  }
}

const ownMethods = { _write: PathSocket.prototype._write, _writev: PathSocket.prototype._writev }
Object.defineProperty(PathSocket.prototype, ownWrites, { value: ownMethods })
makeAssignable(PathSocket.prototype, ['_handle'])

for (const name of ['getTypeOfService', 'setTypeOfService'] as const)
  if (!(name in nodeNet.Socket.prototype)) Reflect.deleteProperty(PathSocket.prototype, name)

throwAtCaller(PathSocket.prototype, 'connect', 'resetAndDestroy', 'setTimeout')
