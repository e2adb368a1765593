import { AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { Connection } from './connection.js'
import { type Endpoint, Kind, Note } from './engine.js'
import { abortError, illegalConstructor, listenerClosed, systemError } from './errors.js'
import { Listening, nobodyThere, notAllowed } from './listening.js'
import { isShortage, type Overload, OverloadReports, stillPaused } from './overload.js'
import { type UnixSocketPath } from './path.js'
import { type PeerCredentials, peerCredentials, UnixSocket } from './socket.js'
import { validateBoolean, validateOptions, validateSignal } from './validate.js'
import { Waiters } from './waiters.js'

export interface WaitOptions {
  /** Ends the waiting with an AbortError; no connection is taken then. */
  signal?: AbortSignal | undefined
}

export interface CloseOptions {
  /** Hand out what waits already before the end. Default false. */
  drain?: boolean | undefined
}

/** The arguments of a listener's events. */
export interface ListenerEvents {
  superseded: []
  pathlost: []
  overload: [overload: Overload]
  drop: [peer: PeerCredentials | undefined]
  close: []
}

/** Accepts in a row before the event loop has its turn. */
const acceptsPerTurn = 64
/** Milliseconds for which a superseded listener goes on at least: clients may still have found its file. */
const farewell = 1000
/** Milliseconds between looks at a superseded listener's queue. */
const farewellInterval = 50
const brand = Symbol.for('udsock.UnixListener')

/**
 * A listening socket, pull-style: a connection leaves the kernel's queue when somebody asks for it. `listen()` makes it.
 *
 * Emits:
 * - 'superseded', within a second: another listener of the same user has taken the path ('takeOver'). This one goes on for at
 *   least a second and until the kernel's queue is empty, and closes; the other one's file is left alone.
 * - 'pathlost', within a second: the file was removed, or replaced by something else. No client finds this listener by its
 *   path any more; it serves on.
 * - 'overload' with an `Overload`, `{ code, failures, connections }`, at most once a second: descriptors or memory ran out.
 *   Nobody is lost: who waits stays in the kernel's queue, and is accepted within a second of an end of the shortage.
 * - 'drop' with the peer's credentials (undefined where the system does not say them): with `overflow: 'drop'`, a connection
 *   beyond `maxConnections` was closed.
 * - 'close', last: it is closed, after draining.
 *
 * The first two come neither for abstract names and inherited listeners, nor after `close()`.
 */
export class UnixListener
  extends EventEmitter<ListenerEvents>
  implements AsyncIterable<UnixSocket>, AsyncDisposable, Endpoint
{
  readonly #listening: Listening
  readonly #accepts = new Waiters<UnixSocket>()
  readonly #readies = new Waiters<void>()
  readonly #overloads = new OverloadReports()
  #open = true
  /** No newcomers: when nobody waits any more, nobody will. */
  #stopped = false
  #referenced = true
  /** Accepted and not closed yet. */
  #connections = 0
  /** Accepts, refused ones included, since the event loop last ran. */
  #burst = 0
  /** Takes back the turn that is planned, if one is. */
  #unschedule: (() => void) | undefined
  #farewell: NodeJS.Timeout | undefined
  #draining: Promise<void> | undefined
  #closing: Promise<void> | undefined
  readonly [brand] = true

  /** @internal */
  constructor(listening: Listening) {
    if (!(listening instanceof Listening)) throw illegalConstructor('UnixListener', 'listen()')
    super()
    this.#listening = listening
    listening.engine.attach(listening.id, this)
    listening.engine.hold()
    listening.onPathNote = this.#onPathNote
  }

  /** What `listen()` was given; of an inherited listener, what it is bound to. */
  get path(): UnixSocketPath {
    return this.#listening.path
  }

  /** Has it ended? Not while it drains. */
  get closed(): boolean {
    return !this.#open
  }

  /** Connections that were closed because `allow` does not name their user or group. */
  get refused(): number {
    return this.#listening.refused
  }

  /**
   * The next connection; concurrent callers are served first come, first served. A shortage of descriptors or memory is
   * waited out, and so is a full `maxConnections`.
   *
   * Rejects with ERR_LISTENER_CLOSED, also when the listener closes meanwhile or has been drained, and with an AbortError,
   * after which nothing has been taken: the connection that would have come is the next caller's.
   */
  accept(options?: WaitOptions): Promise<UnixSocket> {
    // No async function: the promise settles in the instant in which a connection is taken, so that whoever races it
    // against something else has the connection or can still give it up.
    try {
      const signal = signalOf(options)
      const isFirst = this.#accepts.size === 0 && this.#unschedule === undefined && !this.#isFull
      if (this.#open && isFirst && this.#burst < acceptsPerTurn) {
        const socket = this.#take()
        if (socket !== undefined) return Promise.resolve(socket)
      }
      if (!this.#open) throw listenerClosed(this.#listening.display)
      if (this.#burst >= acceptsPerTurn) this.#retryAfter(0)
      return this.#accepts.wait(signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Resolves when `accept()` would not wait, or when the listener closes. Consumes nothing. Rejects with an AbortError. With
   * `allow`, who is there may yet be refused, and `accept()` then waits for the next; in a shortage it waits that out.
   */
  async ready(options?: WaitOptions): Promise<void> {
    const signal = signalOf(options)
    if (!this.#open || this.#isReady) return
    await this.#readies.wait(signal)
  }

  /** Every connection until `close()`, one `accept()` at a time; leaving the loop closes the listener. */
  [Symbol.asyncIterator](): AsyncIterator<UnixSocket, undefined> & AsyncIterable<UnixSocket> {
    const done = { done: true as const, value: undefined }
    return {
      next: async () => {
        try {
          return { done: false as const, value: await this.accept() }
        } catch (error) {
          if (this.closed) return done
          throw error
        }
      },
      return: async () => {
        await this.close()
        return done
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  /**
   * Stops listening, at once: pending `accept()` calls reject with ERR_LISTENER_CLOSED, `ready()` resolves, and accepted
   * connections live on. Idempotent. Resolves when the descriptor is closed.
   *
   * With `drain`, newcomers are refused at once, and what waits already is still handed out: `accept()` and iteration go on
   * until nothing waits, and only then they, and the listener, end. Resolves when newcomers are refused and the file, if that
   * is to be, is removed, so it can be awaited inside an iteration. A listener that drains ends
   * - only for somebody who asks: call `accept()` until it rejects, or `close()`, which ends it at once, as do leaving the loop
   *   and the signal of `listen()`;
   * - without keeping the process alive: that is up to what it has handed out, though a shortage is waited out.
   *
   * Linux refuses newcomers by shutdown(2). Elsewhere, and of an inherited listener, whose socket may be another process's,
   * too, what waits at the moment is taken from the kernel's queue, and the descriptor closed.
   *
   * With `unlinkOnClose` the file is removed first, if it is still this listener's own; what cannot be removed stays.
   * The same happens when the process exits without closing the listener, though not when it is killed.
   */
  close(options?: CloseOptions): Promise<void> {
    try {
      if (drainOf(options) && this.#open) return (this.#draining ??= this.#drain())
      return (this.#closing ??= this.#close())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #drain(): Promise<void> {
    this.unref()
    clearTimeout(this.#farewell)
    await this.#listening.stop()
    if (!this.#open) return
    this.#stopped = true
    // A timer that runs already does not keep the process alive.
    this.#cancelRetry()
    this.#retryAfter(0)
  }

  async #close(): Promise<void> {
    this.unref()
    this.#open = false
    const { display, resource } = this.#listening
    const closed = this.#listening.close()
    this.#cancelRetry()
    clearTimeout(this.#farewell)
    while (this.#accepts.size > 0) this.#accepts.shift()?.reject(listenerClosed(display))
    while (this.#readies.size > 0) this.#readies.shift()?.resolve()
    await closed
    process.nextTick(() => resource.runInAsyncScope(() => this.emit('close')))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** An open listener keeps the process alive, until it is told to close. The default. */
  ref(): this {
    if (this.#open && this.#draining === undefined && !this.#referenced) {
      this.#referenced = true
      this.#listening.engine.hold()
    }
    return this
  }

  unref(): this {
    if (this.#open && this.#referenced) {
      this.#referenced = false
      this.#listening.engine.release()
    }
    return this
  }

  /** @internal */
  onEvent(kind: number, value: number): void {
    if (kind === Kind.error) {
      this.#fail(systemError(value, 'accept', this.#listening.display))
      return
    }
    // A connection is handed out in a turn of its own: microtasks run after a whole turn, and whoever races accept()
    // against something else, and gives it up when that comes first, must not lose one to what comes in the same turn.
    this.#cancelRetry()
    if (this.#listening.engine.isForListener) this.#serveInContext()
    else this.#retryAfter(0)
  }

  /** Whoever waits is told; the listener serves on. */
  #fail(error: Error): void {
    while (this.#accepts.size > 0) this.#accepts.shift()?.reject(error)
    while (this.#readies.size > 0) this.#readies.shift()?.reject(error)
  }

  readonly #onPathNote = (note: number): void => {
    if (!this.#open || this.#draining !== undefined) return
    if (note === Note.superseded) this.#closeWhenEmpty(farewell)
    const event = note === Note.superseded ? 'superseded' : 'pathlost'
    this.#listening.resource.runInAsyncScope(() => this.emit(event))
  }

  /** Closes when the farewell is over and nothing waits in the kernel's queue, looking after so many milliseconds. */
  #closeWhenEmpty(milliseconds: number, since = performance.now()): void {
    this.#farewell = setTimeout(() => {
      // A timer may come early: the event loop's clock is coarser than this one.
      const left = since + farewell - performance.now()
      if (left > 0) this.#closeWhenEmpty(left, since)
      else if (this.#listening.isAcceptable) this.#closeWhenEmpty(farewellInterval, since)
      else void this.close()
    }, milliseconds).unref()
  }

  readonly #serveInContext = (): void => {
    this.#listening.resource.runInAsyncScope(this.#serve, this)
  }

  /** Serves from the kernel's queue who waits longest; the next has a turn of its own. */
  #serve(): void {
    this.#burst = 0
    this.#cancelRetry()
    if (!this.#open) return
    if (this.#isFull) {
      if (this.#listening.limits.overflow === 'drop') this.#take()
    } else if (this.#accepts.size > 0) {
      this.#serveFirst()
    }
    if (this.#readies.size > 0 && this.#isReady)
      while (this.#readies.size > 0) this.#readies.shift()?.resolve()
  }

  #serveFirst(): void {
    try {
      const socket = this.#take()
      if (socket === undefined) return
      this.#accepts.shift()?.resolve(socket)
    } catch (error) {
      this.#accepts.shift()?.reject(error as Error)
    }
    if (this.#accepts.size > 0) this.#retryAfter(0)
  }

  /** A connection from the kernel's queue; none when it is empty, when a shortage has to pass first, or when it was refused. */
  #take(): UnixSocket | undefined {
    const { engine, id, resource, display } = this.#listening
    let accepted = this.#listening.accept()
    while (accepted === notAllowed) {
      if (++this.#burst >= acceptsPerTurn) {
        this.#retryAfter(0)
        return undefined
      }
      accepted = this.#listening.accept()
    }
    if (accepted >= 0) {
      this.#burst++
      if (!this.#admits(accepted)) return undefined
      return resource.runInAsyncScope(this.#make, this, accepted)
    }
    if (accepted === nobodyThere) {
      if (this.#stopped) void this.close()
      return undefined
    }
    if (accepted === stillPaused) {
      this.#retryAfter(engine.reactor.pausedFor(id))
      return undefined
    }
    if (isShortage(accepted)) {
      this.#retryAfter(engine.reactor.pausedFor(id))
      const overload = this.#overloads.count(accepted, this.#connections)
      if (overload !== undefined)
        process.nextTick(() => resource.runInAsyncScope(() => this.emit('overload', overload)))
      return undefined
    }
    throw systemError(accepted, 'accept', display)
  }

  /** Is this connection to be handed out? If not, it is closed, and the next has a turn of its own. */
  #admits(id: number): boolean {
    if (!this.#isFull) return true
    const { engine } = this.#listening
    const peer = engine.peer(id)
    engine.close(id)
    this.#retryAfter(0)
    this.emit('drop', typeof peer === 'number' ? undefined : peerCredentials(peer))
    return false
  }

  #make(id: number): UnixSocket {
    const { engine, options, path, limits } = this.#listening
    this.#connections++
    // Who waits behind the last is told at once, and no edge comes for that.
    if (this.#isFull && limits.overflow === 'drop') this.#retryAfter(0)
    return new UnixSocket(
      new Connection(
        engine,
        id,
        options,
        new AsyncResource('UnixSocket'),
        { localPath: path },
        this.#onConnectionClosed,
      ),
    )
  }

  readonly #onConnectionClosed = (): void => {
    if (this.#open && this.#isFull && this.#accepts.size + this.#readies.size > 0) this.#retryAfter(0)
    this.#connections--
  }

  get #isFull(): boolean {
    return this.#connections >= this.#listening.limits.maxConnections
  }

  /** Would an `accept()` not wait? */
  get #isReady(): boolean {
    return this.#accepts.size === 0 && !this.#isFull && (this.#stopped || this.#listening.isAcceptable)
  }

  #retryAfter(milliseconds: number): void {
    if (this.#unschedule !== undefined) return
    // Each has its own way back: Node 20 miscounts its immediates when it is given a timer to clear as one.
    if (milliseconds === 0) {
      const immediate = setImmediate(this.#serveInContext)
      this.#unschedule = () => clearImmediate(immediate)
    } else {
      const timer = setTimeout(this.#serveInContext, milliseconds)
      // While the listener drains nothing else keeps the process alive for those who wait.
      if (this.#draining === undefined) timer.unref()
      this.#unschedule = () => clearTimeout(timer)
    }
  }

  #cancelRetry(): void {
    this.#unschedule?.()
    this.#unschedule = undefined
  }
}

/** Is this a listener of this package (any copy of it, open or closed)? Never throws. */
export function isUnixListener(value: unknown): value is UnixListener {
  try {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
  } catch {
    return false
  }
}

function signalOf(options: unknown): AbortSignal | undefined {
  validateOptions(options)
  const signal = options?.['signal']
  validateSignal(signal)
  if (signal?.aborted === true) throw abortError(signal)
  return signal
}

function drainOf(options: unknown): boolean {
  validateOptions(options)
  const drain = options?.['drain']
  validateBoolean('options.drain', drain)
  return drain === true
}
