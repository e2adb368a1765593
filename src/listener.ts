/**
 * The listener of `listen()`, pull-style.
 *
 * - A connection leaves the kernel's queue only for a call of `accept()`, or to be closed by `overflow: 'drop'`.
 * - `accept()` calls are served in their order, one connection a turn, so a caller that races a call against another promise loses no connection.
 * - The number of open connections is at most `maxConnections`.
 */
import { EventEmitter } from 'node:events'
import { inspect } from 'node:util'
import { type Descriptor, descriptorOf } from './descriptor.js'
import { eachAccepted } from './internal/accept-iteration.js'
import { Acceptor } from './internal/acceptor.js'
import { hasBrand } from './internal/brand.js'
import { ConnectionLimits } from './internal/connection-limits.js'
import { accepted } from './internal/diagnostics.js'
import { atCaller, illegalConstructor, listenerClosed, systemError } from './internal/errors.js'
import { ExhaustionReports, type Overload } from './internal/exhaustion.js'
import { Farewell } from './internal/farewell.js'
import { Handle } from './internal/handle.js'
import { limitIdle } from './internal/idle-limit.js'
import { type InspectContext, inspected, pathText } from './internal/inspect.js'
import { ListenHandle } from './internal/listen-handle.js'
import {
  acceptOptions,
  closeOptions,
  type CloseOptions,
  type ListenerSettings,
  readyOptions,
  signalOf,
  type WaitOptions,
} from './internal/listener-options.js'
import { Note } from './internal/native.js'
import { Resource } from './internal/resource.js'
import { nextTick } from './internal/scheduling.js'
import { Waiters } from './internal/waiters.js'
import { type UnixSocketPath } from './path.js'
import { type PeerCredentials } from './peer.js'
import { type PacketSocket } from './packet-socket.js'
import { type UnixSocket } from './socket.js'

/** The arguments of a listener's events. */
export interface ListenerEvents {
  superseded: []
  pathlost: []
  overload: [overload: Overload]
  drop: [peer: PeerCredentials | undefined]
  close: []
}

const brand = Symbol.for('udsock.UnixListener')

/**
 * A listening socket, pull-style: a connection leaves the kernel's queue when `accept()` asks for it. `listen()` makes it.
 *
 * Emits the following; abstract names and inherited listeners have no 'superseded' and no 'pathlost', and neither comes after `close()`:
 * - 'superseded', within a second: another listener of the same user has taken over the path ('takeOver'). This listener goes on for at
 *   least a second and until the kernel's queue is empty, and then closes. It leaves the other one's file alone.
 * - 'pathlost', within a second: the file was removed, or replaced by something else. The listener goes on; no client finds it by its path.
 * - 'overload' with an `Overload`, `{ code, failures, connections }`, at most once a second: descriptors or memory ran out. No client is
 *   lost: its connection stays in the kernel's queue, and is accepted within a second after descriptors or memory are there again.
 * - 'drop' with the peer's credentials (undefined where the system does not report them): a connection beyond
 *   `maxConnectionsPerUser` was closed, or with `overflow: 'drop'` one beyond `maxConnections`.
 * - 'close', last: the listener is closed, after draining.
 */
export class UnixListener<S extends UnixSocket | PacketSocket = UnixSocket>
  extends EventEmitter<ListenerEvents>
  implements AsyncIterable<S>, AsyncDisposable
{
  readonly #handle: ListenHandle
  readonly #settings: ListenerSettings<S>
  readonly #acceptor: Acceptor
  readonly #accepts = new Waiters<S>()
  readonly #readies = new Waiters<void>()
  readonly #exhaustions = new ExhaustionReports()
  readonly #limits: ConnectionLimits
  #farewell: Farewell | undefined
  #draining: Promise<void> | undefined
  #closing: Promise<void> | undefined
  readonly [brand] = true

  /** @internal */
  constructor(handle: ListenHandle, settings?: ListenerSettings<S>) {
    if (!(handle instanceof ListenHandle) || settings === undefined)
      throw illegalConstructor(UnixListener, 'UnixListener', 'listen()')
    super()
    this.#handle = handle
    this.#settings = settings
    this.#limits = new ConnectionLimits(handle.engine, settings, {
      onClosed: () => this.#onConnectionClosed(),
      onRefused: peer => this.#later(() => this.emit('drop', peer)),
    })
    this.#acceptor = new Acceptor(handle, {
      perTurn: 1,
      serveNext: () => this.#serveNext(),
      refuses: this.#limits.areUsersLimited ? id => this.#limits.refuses(id) : undefined,
      onError: errno => this.#fail(systemError(errno, 'accept', settings.display)),
      onExhaustion: errno => {
        const overload = this.#exhaustions.count(errno, this.#limits.open)
        if (overload !== undefined) this.#later(() => this.emit('overload', overload))
      },
    })
    this.#acceptor.ref()
    handle.onPathNote = this.#onPathNote
  }

  /** The path that `listen()` was given. For an inherited listener, the path that it is bound to. */
  get path(): UnixSocketPath {
    return this.#settings.path
  }

  /** Whether the listener is closed. A listener that drains is not closed yet. */
  get closed(): boolean {
    return this.#isClosed
  }

  /** Count of connections that were closed because of `allow` or `maxConnectionsPerUser`. */
  get refused(): number {
    return this.#handle.refused + this.#limits.refused
  }

  /**
   * Returns the next connection. Concurrent calls are served in their order. The call waits while descriptors or memory are exhausted, and
   * while `maxConnections` are open.
   *
   * Rejects with ERR_LISTENER_CLOSED, also when the listener closes meanwhile or has been drained. Rejects with an AbortError, and has
   * taken no connection then: the next call gets it.
   */
  accept(options?: WaitOptions): Promise<S> {
    // Not an async function: the promise settles in the instant in which a connection is taken, so that a caller that races it against
    // something else has the connection, or can still give it up.
    try {
      const signal = signalOf(acceptOptions.read(options))
      const acceptor = this.#acceptor
      const isFirst = this.#accepts.size === 0 && !acceptor.isRetrying && !this.#limits.isFull
      if (!this.#isClosed && isFirst && !acceptor.mustYield) {
        // An abort in the tick of the call is an abort, and an aborted accept has taken nothing. A connection is not taken in a microtask
        // either: of two promises that settle there, a race could hand out the other.
        if (signal !== undefined) {
          acceptor.retryAfter(0)
          return this.#accepts.wait(signal)
        }
        const socket = this.#take()
        if (socket !== undefined) return Promise.resolve(socket)
      }
      if (this.#isClosed) throw listenerClosed(this.#settings.display)
      if (acceptor.mustYield) acceptor.retryAfter(0)
      return this.#accepts.wait(signal)
    } catch (error) {
      return Promise.reject(atCaller(error, accept))
    }
  }

  /**
   * Resolves when `accept()` would not wait, or when the listener closes. Takes no connection. Rejects with an AbortError.
   *
   * `accept()` may still have to wait: with `allow` or `maxConnectionsPerUser` the connection may be refused, and descriptors or memory may
   * be exhausted.
   */
  async ready(options?: WaitOptions): Promise<void> {
    try {
      const signal = signalOf(readyOptions.read(options))
      if (this.#isClosed || this.#isReady) return
      await this.#readies.wait(signal)
    } catch (error) {
      throw atCaller(error, ready)
    }
  }

  /** Yields every connection until `close()`, one `accept()` at a time. Leaving the loop closes the listener. */
  [Symbol.asyncIterator](): AsyncIterator<S, undefined> & AsyncIterable<S> {
    return eachAccepted(this)
  }

  /**
   * Stops listening, at once: pending `accept()` calls reject with ERR_LISTENER_CLOSED, `ready()` resolves, and accepted connections
   * live on. Idempotent. Resolves when the descriptor is closed.
   *
   * With `drain`, new clients are refused at once, and the connections that wait already are still handed out: `accept()` and iteration go
   * on until none waits, and then the listener closes. Resolves when new clients are refused and, with `unlinkOnClose`, the file is removed;
   * it can be awaited inside an iteration. A listener that drains
   * - closes only on demand: call `accept()` until it rejects. `close()`, leaving the loop, and the signal of `listen()` close it at once;
   * - does not keep the process alive, except while descriptors or memory are exhausted. The connections that it has handed out may do so.
   *
   * Linux refuses new clients by shutdown(2). Elsewhere, and for an inherited listener, whose socket another process may have, too, the
   * connections that wait at the moment are taken from the kernel's queue, and the descriptor is closed.
   *
   * With `unlinkOnClose` the file is removed first, if it is still this listener's own; a file that cannot be removed stays.
   * The same happens when the process exits without closing the listener, but not when the process is killed.
   */
  close(options?: CloseOptions): Promise<void> {
    try {
      const { drain } = closeOptions.read(options)
      if (drain === true && !this.#isClosed) return (this.#draining ??= this.#drain())
      return (this.#closing ??= this.#close())
    } catch (error) {
      return Promise.reject(atCaller(error, close))
    }
  }

  #drain(): Promise<void> {
    this.#farewell?.cancel()
    return this.#acceptor.drain()
  }

  async #close(): Promise<void> {
    this.#farewell?.cancel()
    const closed = this.#acceptor.close()
    while (this.#accepts.size > 0) this.#accepts.shift()?.reject(listenerClosed(this.#settings.display))
    this.#readies.resolveAll()
    await closed
    this.#later(() => this.emit('close'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Returns a duplicate of the listening descriptor, for a child process, which serves it with `listen({ fd })`. Both processes take connections from
   * one queue. From then on the listener drains as an inherited one does. Do not combine it with `unlinkOnClose`: the file would go with this listener.
   *
   * Throws ERR_LISTENER_CLOSED, and a system error (EMFILE).
   */
  duplicate(): Descriptor {
    try {
      if (this.#isClosed) throw listenerClosed(this.#settings.display)
      return descriptorOf(this.#handle.duplicate())
    } catch (error) {
      throw atCaller(error, duplicate)
    }
  }

  /** Shows the path, the state and counts. */
  [inspect.custom](depth: number, options: InspectContext): unknown {
    const fields = (): Record<string, unknown> => ({
      path: pathText(this.path),
      state: stateTexts[this.#acceptor.state],
      connections: this.#limits.open,
      refused: this.refused,
    })
    return inspected(this, fields, depth, options)
  }

  /** Keeps the process alive while the listener is open and does not drain. The default. */
  ref(): this {
    this.#acceptor.ref()
    return this
  }

  /** Lets the process end though the listener is open. */
  unref(): this {
    this.#acceptor.unref()
    return this
  }

  /** Rejects everything that waits; the listener goes on. */
  #fail(error: Error): void {
    this.#accepts.rejectAll(error)
    this.#readies.rejectAll(error)
  }

  readonly #onPathNote = (note: number): void => {
    if (this.#acceptor.state !== 'open') return
    if (note === Note.superseded) this.#farewell ??= new Farewell(this.#handle, () => void this.close())
    const event = note === Note.superseded ? 'superseded' : 'pathlost'
    this.#handle.resource.runInAsyncScope(() => this.emit(event))
  }

  get #isClosed(): boolean {
    return this.#acceptor.state === 'closed'
  }

  #later(emit: () => void): void {
    nextTick(() => this.#handle.resource.runInAsyncScope(emit))
  }

  /** Serves the call that waits longest; returns whether another one waits. */
  #serveNext(): boolean {
    const hasMore = this.#limits.isFull ? this.#dropNext() : this.#accepts.size > 0 && this.#serveFirst()
    if (this.#readies.size > 0 && this.#isReady) this.#readies.resolveAll()
    return hasMore
  }

  #serveFirst(): boolean {
    try {
      const socket = this.#take()
      if (socket === undefined) return false
      this.#accepts.shift()?.resolve(socket)
    } catch (error) {
      this.#accepts.shift()?.reject(error as Error)
    }
    return this.#accepts.size > 0
  }

  /** Takes a connection for a caller. Returns undefined if there is none now; a retry is scheduled where one is needed. */
  #take(): S | undefined {
    const id = this.#acceptor.take()
    if (id === undefined) this.#closeIfDrained()
    else if (id < 0) throw systemError(id, 'accept', this.#settings.display)
    else return this.#handle.resource.runInAsyncScope(this.#make, this, id)
    return undefined
  }

  /** Closes a connection that came to a full listener, if `overflow` wants that; returns whether there may be more. */
  #dropNext(): boolean {
    if (this.#settings.overflow !== 'drop') return false
    const id = this.#acceptor.take()
    if (id === undefined) this.#closeIfDrained()
    else if (id < 0) this.#fail(systemError(id, 'accept', this.#settings.display))
    if (id === undefined || id < 0) return false
    this.emit('drop', this.#limits.drop(id))
    return true
  }

  #closeIfDrained(): void {
    if (this.#acceptor.state === 'draining' && !this.#acceptor.isRetrying) void this.close()
  }

  #make(id: number): S {
    const { path: localPath, kind, overflow, idleTimeout } = this.#settings
    const resource = new Resource(kind.resourceName)
    const { onClosed, watch } = limitIdle(idleTimeout, resource, this.#limits.add())
    // The connections that wait behind the last one are dropped now, and no edge reports them.
    if (this.#limits.isFull && overflow === 'drop') this.#acceptor.retryAfter(0)
    const handle = new Handle(this.#handle.engine, id, kind.options, resource, { localPath, onClosed })
    return accepted(watch(kind.make(handle)), this)
  }

  #onConnectionClosed(): void {
    if (this.#limits.isFull && this.#accepts.size + this.#readies.size > 0) this.#acceptor.retryAfter(0)
  }

  /** Whether an `accept()` would not wait. */
  get #isReady(): boolean {
    return this.#accepts.size === 0 && !this.#limits.isFull && this.#acceptor.isAcceptable
  }
}

const stateTexts = { open: 'listening', stopping: 'draining', draining: 'draining', closed: 'closed' }

/** Whether `value` is a listener of any copy of this package, open or closed. Never throws. */
export function isUnixListener(value: unknown): value is UnixListener {
  return hasBrand(value, brand)
}

const { accept, ready, close, duplicate } = UnixListener.prototype
