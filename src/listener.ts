import { AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import { INTERNAL } from './binding.js'
import { type Endpoint, type Engine, Note } from './engine.js'
import { abortError, illegalConstructor, internalError, listenerClosed, systemError } from './errors.js'
import { type UnixSocketPath } from './path.js'
import { Connection, type SocketOptions } from './connection.js'
import { UnixSocket } from './socket.js'
import { validateOptions, validateSignal } from './validate.js'

export interface WaitOptions {
  /** Ends the waiting with an AbortError; no connection is taken then. */
  signal?: AbortSignal | undefined
}

interface Waiter<T> {
  resolve(value: T): void
  reject(error: Error): void
}

/** What a listener that was bound here has of its path. */
interface Claim {
  readonly request: number
  readonly unlinkOnClose: boolean
}

/** What the package makes a listener of; nobody else can. */
export class Listening {
  readonly engine: Engine
  readonly id: number
  readonly options: SocketOptions
  readonly resource: AsyncResource
  readonly path: UnixSocketPath
  readonly display: string
  /** None for an inherited one. */
  readonly #claim: Claim | undefined
  /** Hears what becomes of the path. */
  onPathNote: (note: number) => void = () => {}
  #onClosed = (): void => {}

  constructor(
    engine: Engine,
    id: number,
    options: SocketOptions,
    resource: AsyncResource,
    path: UnixSocketPath,
    display: string,
    claim?: Claim,
  ) {
    this.engine = engine
    this.id = id
    this.options = options
    this.resource = resource
    this.path = path
    this.display = display
    this.#claim = claim
  }

  /** What the control plane has to say of it. */
  onNote(note: number): void {
    if (note === Note.closed) this.#onClosed()
    else this.onPathNote(note)
  }

  /** Closes the descriptor, after removing the file if that is to be and it is still its own; keeps the process alive for that. */
  async close(unlink = this.#claim?.unlinkOnClose): Promise<void> {
    const { engine, id } = this
    const claim = this.#claim
    if (claim === undefined || unlink !== true) {
      engine.close(id)
    } else if (engine.closeListener(id, claim.request) >= 0) {
      engine.hold()
      await new Promise<void>(resolve => {
        this.#onClosed = resolve
      })
      engine.release()
    }
    if (claim !== undefined) engine.forget(claim.request)
  }
}

const nothingThere = -constants.errno.EAGAIN
/** What came is not allowed, and closed. */
const refused = -constants.errno.ECONNREFUSED
const { EMFILE, ENFILE, ENOBUFS, ENOMEM } = constants.errno
const shortages: ReadonlySet<number> = new Set([-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM])
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
 * Emits, within a second:
 * - 'superseded': another listener of the same user has taken the path ('takeOver'). This one goes on for at least a
 *   second and until the kernel's queue is empty, and closes; the other one's file is left alone.
 * - 'pathlost': the file was removed, or replaced by something else. No client finds this listener by its path any more; it
 *   serves on.
 *
 * And 'close', once it is closed. None of the first two for abstract names and inherited listeners.
 */
export class UnixListener
  extends EventEmitter
  implements AsyncIterable<UnixSocket>, AsyncDisposable, Endpoint
{
  readonly #listening: Listening
  readonly #accepts = new Set<Waiter<UnixSocket>>()
  readonly #readies = new Set<Waiter<void>>()
  #refused = 0
  #open = true
  #referenced = true
  /** Accepts, refused ones included, since the event loop last ran. */
  #burst = 0
  #retry: NodeJS.Immediate | NodeJS.Timeout | undefined
  #farewell: NodeJS.Timeout | undefined
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

  get closed(): boolean {
    return !this.#open
  }

  /** Connections that were closed because `allow` does not name their user or group. */
  get refused(): number {
    return this.#refused
  }

  /**
   * The next connection; concurrent callers are served first come, first served. A shortage of descriptors or memory is
   * waited out.
   *
   * Rejects with ERR_LISTENER_CLOSED, also when the listener closes meanwhile, and with an AbortError, after which
   * nothing has been taken: the connection that would have come is the next caller's.
   */
  accept(options?: WaitOptions): Promise<UnixSocket> {
    // No async function: the promise settles in the instant in which a connection is taken, so that whoever races it
    // against something else has the connection or can still give it up.
    try {
      const signal = signalOf(options)
      if (!this.#open) throw listenerClosed(this.#listening.display)
      if (this.#accepts.size === 0 && this.#burst < acceptsPerTurn) {
        const socket = this.#take()
        if (socket !== undefined) return Promise.resolve(socket)
      }
      if (this.#burst >= acceptsPerTurn) this.#retryAfter(0)
      return waitIn(this.#accepts, signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Resolves when `accept()` would not wait, or when the listener closes. Consumes nothing. Rejects with an AbortError. With
   * `allow`, who is there may yet be refused, and `accept()` then waits for the next.
   */
  async ready(options?: WaitOptions): Promise<void> {
    const signal = signalOf(options)
    if (!this.#open || (this.#accepts.size === 0 && this.#isAcceptable())) return
    await waitIn(this.#readies, signal)
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
   * With `unlinkOnClose` the file is removed first, if it is still this listener's own; what cannot be removed stays.
   * The same happens when the process exits without closing the listener, though not when it is killed.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    this.unref()
    this.#open = false
    const { display, resource } = this.#listening
    const closed = this.#listening.close()
    this.#cancelRetry()
    clearTimeout(this.#farewell)
    for (const waiter of this.#accepts) waiter.reject(listenerClosed(display))
    for (const waiter of this.#readies) waiter.resolve()
    this.#accepts.clear()
    this.#readies.clear()
    await closed
    process.nextTick(() => resource.runInAsyncScope(() => this.emit('close')))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** An open listener keeps the process alive. The default. */
  ref(): this {
    if (this.#open && !this.#referenced) {
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
  onEvent(): void {
    // A connection is handed out in a turn of its own: microtasks run after a whole turn, and whoever races accept()
    // against something else, and gives it up when that comes first, must not lose one to what comes in the same turn.
    this.#cancelRetry()
    if (this.#listening.engine.isForListener) this.#serveInContext()
    else this.#retryAfter(0)
  }

  readonly #onPathNote = (note: number): void => {
    if (!this.#open) return
    if (note === Note.superseded) this.#closeWhenEmpty(farewell)
    const event = note === Note.superseded ? 'superseded' : 'pathlost'
    this.#listening.resource.runInAsyncScope(() => this.emit(event))
  }

  /** Closes once nothing waits in the kernel's queue, looking after so many milliseconds for the first time. */
  #closeWhenEmpty(milliseconds: number): void {
    this.#farewell = setTimeout(() => {
      if (this.#isAcceptable()) this.#closeWhenEmpty(farewellInterval)
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
    for (const waiter of this.#accepts) {
      try {
        const socket = this.#take()
        if (socket === undefined) return
        waiter.resolve(socket)
      } catch (error) {
        waiter.reject(error as Error)
      }
      this.#accepts.delete(waiter)
      if (this.#accepts.size > 0) this.#retryAfter(0)
      break
    }
    if (this.#accepts.size === 0 && this.#readies.size > 0 && this.#isAcceptable()) {
      for (const waiter of this.#readies) waiter.resolve()
      this.#readies.clear()
    }
  }

  /** A connection from the kernel's queue; none when it is empty, or when a shortage has to pass first. */
  #take(): UnixSocket | undefined {
    const { engine, id, resource, display } = this.#listening
    let accepted = engine.raw.accept(id)
    while (accepted === refused) {
      this.#refused++
      if (++this.#burst >= acceptsPerTurn) {
        this.#retryAfter(0)
        return undefined
      }
      accepted = engine.raw.accept(id)
    }
    if (accepted >= 0) {
      this.#burst++
      return resource.runInAsyncScope(this.#make, this, accepted)
    }
    if (accepted === nothingThere) return undefined
    if (shortages.has(accepted)) {
      this.#retryAfter(engine.reactor.pausedFor(id))
      return undefined
    }
    throw accepted === INTERNAL ? internalError('accept') : systemError(accepted, 'accept', display)
  }

  #make(id: number): UnixSocket {
    const { engine, options, path } = this.#listening
    return new UnixSocket(
      new Connection(engine, id, options, new AsyncResource('UnixSocket'), { localPath: path }),
    )
  }

  #isAcceptable(): boolean {
    return this.#listening.engine.reactor.isAcceptable(this.#listening.id)
  }

  #retryAfter(milliseconds: number): void {
    if (this.#retry !== undefined) return
    if (milliseconds === 0) this.#retry = setImmediate(this.#serveInContext)
    else this.#retry = setTimeout(this.#serveInContext, milliseconds).unref()
  }

  #cancelRetry(): void {
    clearImmediate(this.#retry as NodeJS.Immediate)
    clearTimeout(this.#retry as NodeJS.Timeout)
    this.#retry = undefined
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

/** Joins those who wait; an abort leaves them, with nothing taken. */
function waitIn<T>(waiters: Set<Waiter<T>>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal === undefined) {
      waiters.add({ resolve, reject })
      return
    }
    const onAbort = (): void => {
      if (waiters.delete(waiter)) reject(abortError(signal))
    }
    const leaving =
      <V>(settle: (value: V) => void) =>
      (value: V): void => {
        signal.removeEventListener('abort', onAbort)
        settle(value)
      }
    const waiter: Waiter<T> = { resolve: leaving(resolve), reject: leaving(reject) }
    waiters.add(waiter)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
