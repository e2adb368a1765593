/**
 * Accepts connections from a listening descriptor, for the listener of `listen()` and for the server of `udsock/net`.
 *
 * - A connection is taken from the kernel's queue only on demand of the owner.
 * - While a connection may wait that no event will report, a retry is scheduled: at once in an immediate, or at the end of the pause that
 *   follows an exhaustion of descriptors or memory.
 * - After 64 connections without an iteration of the event loop, the next one is taken in a later iteration.
 * - Once the state is 'closed', the owner is not called any more.
 */
import { type Engine, type EventHandler } from './engine.js'
import { isExhaustion } from './exhaustion.js'
import { onEvent } from './hooks.js'
import { type ListenHandle } from './listen-handle.js'
import { Accepted, Kind } from './native.js'
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from './scheduling.js'

/** The listener or server that an acceptor works for. All methods are called in the async context of its events. */
export interface AcceptorOwner {
  /**
   * Takes a connection and hands it over, if one is wanted. Returns whether to call it again: in the same turn up to `perTurn` times, and
   * then in an immediate. If it throws, it is called again, too.
   */
  serveNext(): boolean
  /** Connections that may be handed over in one turn. */
  readonly perTurn: number
  /** Handles an error of the descriptor. */
  onError(errno: number): void
  /** Handles a failure to accept for lack of descriptors or memory. */
  onExhaustion(errno: number): void
  /** Closes a connection that may not be handed over; returns whether it did. */
  readonly refuses: ((id: number) => boolean) | undefined
}

/**
 * open: it listens. stopping: new clients are about to be refused. draining: new clients are refused, and the connections that wait are
 * handed over. closed: it is over.
 */
type State = 'open' | 'stopping' | 'draining' | 'closed'

/** Connections that are accepted without an iteration of the event loop. */
const acceptsPerTurn = 64

export class Acceptor implements EventHandler {
  readonly handle: ListenHandle
  readonly #engine: Engine
  readonly #owner: AcceptorOwner
  #state: State = 'open'
  #isReferenced = false
  /** Connections accepted, refused ones included, since the event loop last ran. */
  #burst = 0
  /** The retry: at most one of these two is set. */
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(handle: ListenHandle, owner: AcceptorOwner) {
    this.handle = handle
    this.#engine = handle.engine
    this.#owner = owner
    this.#engine.attach(handle.id, this)
    handle.resource.owner = this
  }

  get state(): State {
    return this.#state
  }

  /** Whether a retry is scheduled. */
  get isRetrying(): boolean {
    return this.#immediate !== undefined || this.#timer !== undefined
  }

  /** Whether the event loop has to run before the next connection is taken. */
  get mustYield(): boolean {
    return this.#burst >= acceptsPerTurn
  }

  /** An open acceptor that is referenced keeps the process alive. */
  ref(): void {
    if (this.#state !== 'open' || this.#isReferenced) return
    this.#isReferenced = true
    this.#engine.ref()
  }

  unref(): void {
    if (!this.#isReferenced) return
    this.#isReferenced = false
    this.#engine.unref()
  }

  /** Whether it is open and referenced. */
  hasRef(): boolean {
    return this.#isReferenced
  }

  /** Whether a connection can be taken now, or will never come. */
  get isAcceptable(): boolean {
    return this.#state === 'draining' || this.handle.isAcceptable
  }

  /**
   * Takes the next connection, and returns its id. Returns undefined if there is none now: the kernel's queue is empty, or a retry is
   * scheduled. Returns a negative errno if accepting failed.
   */
  take(): number | undefined {
    for (;;) {
      const accepted = this.handle.accept()
      if (accepted >= 0 && this.#owner.refuses?.(accepted) !== true) {
        this.#burst++
        return accepted
      }
      if (accepted < 0 && accepted !== Accepted.refused) return this.#outcome(accepted)
      if (++this.#burst >= acceptsPerTurn) {
        this.retryAfter(0)
        return undefined
      }
    }
  }

  #outcome(errno: number): number | undefined {
    if (errno === Accepted.empty) return undefined
    const isExhausted = isExhaustion(errno)
    if (!isExhausted && errno !== Accepted.paused) return errno
    this.retryAfter(this.#engine.driver.pausedFor(this.handle.id))
    if (isExhausted) this.#owner.onExhaustion(errno)
    return undefined
  }

  /** Serves the owner again after so many milliseconds; 0: in an immediate. A retry that is scheduled already stays. */
  retryAfter(milliseconds: number): void {
    if (this.isRetrying || this.#state === 'closed') return
    if (milliseconds === 0) {
      this.#immediate = setImmediate(this.#serveInContext)
    } else {
      this.#timer = setTimeout(this.#serveInContext, milliseconds)
      // While it drains, only this timer keeps the process alive for the connections that wait.
      if (this.#state === 'open') this.#timer.unref()
    }
  }

  #cancelRetry(): void {
    // Node 20 miscounts its immediates when it is given a timer to clear as one.
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#immediate = undefined
    this.#timer = undefined
  }

  [onEvent](kind: number, value: number): void {
    if (kind === Kind.error) {
      this.handle.resource.runInAsyncScope(this.#owner.onError, this.#owner, value)
      return
    }
    // Deno takes a ring of the doorbell before the ticks that are due, and one of them may abort the accept() that scheduled the retry.
    if (this.#immediate !== undefined) return
    this.#cancelRetry()
    // Microtasks run after a whole turn. A caller that races accept() against something else, and gives it up when that comes first, must
    // not lose a connection to what comes in the same turn: a connection that is handed over alone has a turn of its own.
    if (this.#owner.perTurn > 1 || this.#engine.isForListener) this.#serveInContext()
    else this.retryAfter(0)
  }

  readonly #serveInContext = (): void => {
    this.handle.resource.runInAsyncScope(this.#serve, this)
  }

  #serve(): void {
    this.#burst = 0
    this.#cancelRetry()
    if (this.#state === 'closed') return
    // Also if a user's listener throws: no edge reports the connections that wait already.
    let hasMore = true
    try {
      for (let count = 0; hasMore && count < this.#owner.perTurn; count++) hasMore = this.#owner.serveNext()
    } finally {
      if (hasMore) this.retryAfter(0)
    }
  }

  /** Refuses new clients, and then hands over the connections that wait. */
  async drain(): Promise<void> {
    this.unref()
    this.#state = 'stopping'
    await this.handle.stop()
    if (this.#state !== 'stopping') return
    this.#state = 'draining'
    // A timer that runs already does not keep the process alive.
    this.#cancelRetry()
    this.retryAfter(0)
  }

  /** Closes the descriptor, after removing the file if that was wanted. */
  close(): Promise<void> {
    this.#end()
    return this.handle.close()
  }

  /** The same for a listener made by `listenNow`. */
  closeNow(): void {
    this.#end()
    this.handle.closeNow()
  }

  #end(): void {
    this.unref()
    this.#state = 'closed'
    this.#cancelRetry()
  }
}
