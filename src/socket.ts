import { type AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { Connection } from './connection.js'
import { type Endpoint, type Engine, Kind, unconnected } from './engine.js'
import { illegalConstructor, INTERNAL, systemError } from './errors.js'
import { Inbox, type Receiver } from './inbox.js'
import { pathFromBytes, type UnixSocketPath } from './path.js'
import { GatheringDuplex } from './writing.js'

/** The kernel's word on who is at the other end, taken when the connection was made. Source: SO_PEERCRED of unix(7). */
export interface PeerCredentials {
  readonly uid: number
  readonly gid: number
  /** Absent where the platform does not say, or the process is not visible here. Informs; never authorise by it. */
  readonly pid?: number
}

const brand = Symbol.for('udsock.UnixSocket')
const notConnected = -constants.errno.ENOTCONN

/** As the engine has them: 0 is no pid. */
export function peerCredentials({ uid, gid, pid }: Required<PeerCredentials>): PeerCredentials {
  return pid === 0 ? { uid, gid } : { uid, gid, pid }
}

/**
 * A connection, as a stream. `connect()` and `UnixListener` make it.
 *
 * Small writes of one turn leave together. `end()` sends what was written and half-closes; `destroy()`
 * sends what the kernel takes without waiting, and closes.
 */
export class UnixSocket extends GatheringDuplex implements Endpoint {
  readonly #engine: Engine
  #id: number
  readonly #inbox: Inbox<UnixSocket>
  readonly #busyPoll: number
  /** What arrives goes into memory of the user's, not through the stream. */
  readonly #inMemory: boolean
  #resource: AsyncResource
  #credentials: { uid: number; gid: number; pid: number } | number
  readonly #localPath: UnixSocketPath | undefined
  readonly #onClosed: (() => void) | undefined
  #remotePath: UnixSocketPath | undefined
  #remotePathKnown: boolean
  /** Has it a connection? */
  #open: boolean
  #referenced = true
  #held = false

  /** @internal */
  constructor(connection: Connection) {
    if (!(connection instanceof Connection)) throw illegalConstructor('UnixSocket', 'connect() or listen()')
    super(connection)
    const { engine, id, options } = connection
    this.#engine = engine
    this.#id = id
    this.#inbox = new Inbox(engine, id, this, UnixSocket.#receiver, options.onread)
    this.#busyPoll = options.busyPoll ?? 0
    this.#inMemory = options.onread !== undefined
    this.#resource = connection.resource
    this.#open = id !== unconnected
    this.#credentials = this.#open ? engine.peer(id) : notConnected
    this.#localPath = connection.localPath
    this.#onClosed = connection.onClosed
    this.#remotePath = connection.remotePath
    this.#remotePathKnown = connection.remotePath !== undefined
    if (this.#open) engine.attach(id, this)
    if (this.#inMemory) this._read()
  }

  /** @internal */
  get [brand](): true {
    return true
  }

  /** Gives a socket that was made `unconnected` its connection. */
  protected connectTo(id: number, remotePath: UnixSocketPath | undefined): void {
    this.#id = id
    this.#open = true
    this.#credentials = this.#engine.peer(id)
    this.#remotePath = remotePath
    this.#remotePathKnown = remotePath !== undefined
    this.#engine.attach(id, this)
    this.#inbox.renew(id)
    this.connectWriting(id)
    this.holdIfBusy()
  }

  /** Makes it `unconnected`, if it has no connection, for one in the context of `resource`. */
  protected renew(resource: AsyncResource): void {
    this.#id = unconnected
    this.#resource = resource
    this.#inbox.renew(unconnected)
    this.renewWriting(resource)
  }

  /** Has it a connection? */
  protected get isConnected(): boolean {
    return this.#open
  }

  /* ---------------------------------------------------------------- who and how much */

  /** Bytes received. */
  get bytesRead(): number {
    return this.#inbox.received
  }

  /** Who is at the other end. Of a connected socket, whoever called listen(2): under socket activation, the activator. */
  get peer(): PeerCredentials {
    const credentials = this.#credentials
    if (typeof credentials === 'number') throw systemError(credentials, 'getsockopt')
    return peerCredentials(credentials)
  }

  /** Of a connected socket, the path that was connected to. Of an accepted one, the path that the peer has bound, which is rare. */
  get remotePath(): UnixSocketPath | undefined {
    if (!this.#remotePathKnown && this.#open) {
      this.#remotePath = pathFromBytes(this.#engine.reactor.peerAddress(this.#id))
      this.#remotePathKnown = true
    }
    return this.#remotePath
  }

  /** Of an accepted socket, the path of its listener. */
  get localPath(): UnixSocketPath | undefined {
    return this.#localPath
  }

  /* ---------------------------------------------------------------- reading */

  override _read(): void {
    this.#inbox.start()
    this.holdIfBusy()
  }

  override pause(): this {
    if (this.#inMemory) this.#stopReading()
    return super.pause()
  }

  override resume(): this {
    if (this.#inMemory) this._read()
    return super.resume()
  }

  /**
   * Stops receiving: what was not read yet is discarded, the readable side ends, and the peer's next write fails with EPIPE.
   * The writable side goes on; the socket closes once both directions have. Source: SHUT_RD of shutdown(2).
   */
  closeRead(): void {
    if (!this.#open || this.readableEnded) return
    // The end that this makes is not the peer's, so it never ends the writable side.
    this.allowHalfOpen = true
    const ended = this.#inbox.isClosed
    this.#inbox.close()
    this.holdIfBusy()
    if (this.#engine.raw.shutdown(this.#id, 0) === INTERNAL) this.destroy(this.failed(INTERNAL, 'shutdown'))
    this.#silently(() => {
      if (!ended) this.push(null)
      while (this.read() !== null);
    })
    this.read(0)
  }

  /** Without events: what the stream has buffered must not reach its readers. */
  #silently(work: () => void): void {
    const own = Object.getOwnPropertyDescriptor(this, 'emit')
    Object.defineProperty(this, 'emit', { value: () => false, configurable: true })
    work()
    Reflect.deleteProperty(this, 'emit')
    if (own !== undefined) Object.defineProperty(this, 'emit', own)
  }

  #stopReading(): void {
    this.#inbox.stop()
    this.holdIfBusy()
  }

  static readonly #receiver: Receiver<UnixSocket> = {
    take(socket, chunk) {
      socket.touch()
      if (socket.#isFlowing()) socket.emit('data', chunk)
      else if (!socket.push(chunk)) socket.#stopReading()
    },
    touched(socket) {
      socket.touch()
      socket.holdIfBusy()
    },
    end: socket => socket.endReading(),
    fail: (socket, error) =>
      void socket.destroy(typeof error === 'number' ? socket.failed(error, 'read') : error),
  }

  /** Nothing more will come. */
  protected endReading(): void {
    if (this.#inbox.isClosed) return
    this.#inbox.close()
    this.holdIfBusy()
    this.push(null)
    // Nobody reads such a stream, so nobody would come to its end.
    if (this.#inMemory) this.read(0)
  }

  /** Would `push` do no more than emit 'data'? It costs a tick and a `read(0)` besides. */
  #isFlowing(): boolean {
    return (
      this.readableFlowing === true &&
      this.readableLength === 0 &&
      this.readableEncoding === null &&
      this.readableDidRead &&
      this.listenerCount('data') > 0 &&
      !this.destroyed
    )
  }

  /* ---------------------------------------------------------------- events */

  protected override inContext<T>(work: () => T): T {
    return this.#resource.runInAsyncScope(work)
  }

  /** @internal */
  onEvent(kind: number, value: number, offset: number): void {
    this.#resource.runInAsyncScope(this.#handle, this, kind, value, offset)
  }

  protected override expectAnswer(): void {
    if (this.#busyPoll > 0) this.#engine.expect(this.#busyPoll, false)
  }

  #handle(kind: number, value: number, offset: number): void {
    if (this.#busyPoll > 0) this.#engine.expect(this.#busyPoll, true)
    if (kind === Kind.data) this.#inbox.takeScratch(offset, value)
    else if (kind === Kind.writable) this.resumeWriting()
    else if (kind === Kind.bulk) this.#inbox.takeBulk()
    else if (kind === Kind.end) this.endReading()
    else if (kind === Kind.error) this.destroy(this.failed(value, 'read'))
  }

  /* ---------------------------------------------------------------- closing */

  /** Sends what the kernel takes without waiting, then closes; `error` is emitted as 'error'. */
  override destroy(error?: Error): this {
    if (this.#open && !this.destroyed && this.errored === null) this.sendAtLast()
    return super.destroy(error)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.stopTimer()
    if (this.#open) this.#engine.close(this.#id)
    this.#open = false
    this.#onClosed?.()
    this.#resource.runInAsyncScope(() => {
      this.endWriting(error)
      callback(error)
    })
    this.holdIfBusy()
  }

  /** Tries to send what was written without waiting, then closes. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return
    const closed = new Promise<void>(resolve => this.once('close', resolve))
    this.destroy()
    await closed
  }

  /* ---------------------------------------------------------------- waiting */

  /** The socket keeps the process alive while it reads or has bytes to send. The default. */
  ref(): this {
    this.#referenced = true
    this.holdIfBusy()
    return this
  }

  unref(): this {
    this.#referenced = false
    this.holdIfBusy()
    return this
  }

  /** @internal */
  protected override holdIfBusy(): void {
    const busy = this.#open && this.#referenced && (this.#inbox.isReading || this.isBlocked)
    if (busy === this.#held) return
    this.#held = busy
    if (busy) this.#engine.hold()
    else this.#engine.release()
  }
}

/** Is this a socket of this package (any copy of it, open or closed)? Never throws. */
export function isUnixSocket(value: unknown): value is UnixSocket {
  try {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
  } catch {
    return false
  }
}
