/**
 * One attempt to connect, of `connect()` or of a socket of `udsock/net`.
 *
 * - The outcome, an id or a negative errno, is known at once, unless the listener's backlog is full: then the attempt waits for room.
 * - The outcome is delivered once, by `take()` or by `deliver()`, or the attempt is cancelled.
 * - A cancelled attempt leaves no connection.
 */
import { constants } from 'node:os'
import { type Engine } from './engine.js'
import { SocketType } from './native.js'
import { clearImmediate, setImmediate } from './scheduling.js'

const backlogFull = -constants.errno.EAGAIN

/** known: there is an outcome, not delivered yet. waiting: for room in the backlog. over: delivered or cancelled. */
type State = 'known' | 'waiting' | 'over'

export class ConnectAttempt {
  readonly #engine: Engine
  readonly #address: Uint8Array
  readonly #discards: boolean
  readonly #socketType: number
  readonly #outcome: number
  #state: State
  #done: ((idOrErrno: number) => void) | undefined
  /** The request of an attempt that waits; a negative errno if there is none. */
  #request = -1
  #immediate: NodeJS.Immediate | undefined

  /**
   * `discards`: whether descriptors that the peer sends are closed, unless they are received, and the bytes with them delivered. Otherwise the kernel
   * refuses both.
   */
  constructor(engine: Engine, address: Uint8Array, discards: boolean, socketType = SocketType.stream) {
    this.#engine = engine
    this.#address = address
    this.#discards = discards
    this.#socketType = socketType
    this.#outcome = engine.raw.connect(address, discards ? 1 : 0, socketType)
    this.#state = this.#outcome === backlogFull ? 'waiting' : 'known'
  }

  /** Whether the listener's backlog is full. */
  get isWaiting(): boolean {
    return this.#state === 'waiting'
  }

  /** Whether there is a connection that is not delivered yet. */
  get isConnected(): boolean {
    return this.#state === 'known' && this.#outcome >= 0
  }

  /** Returns the outcome, which has to be known. */
  take(): number {
    this.#state = 'over'
    return this.#outcome
  }

  /**
   * Calls `done` with the outcome in a later iteration of the event loop, before any event of the connection is delivered. An attempt that
   * waits fails with ETIMEDOUT after `timeout` milliseconds; Infinity: never.
   */
  deliver(timeout: number, done: (idOrErrno: number) => void): void {
    this.#done = done
    if (this.#state === 'waiting') {
      const { driver, requests } = this.#engine
      const limit = timeout > Number.MAX_SAFE_INTEGER ? -1 : timeout
      this.#request = requests.start(
        request => driver.connect(request, this.#address, limit, this.#discards, this.#socketType),
        outcome => this.#settle(outcome),
      )
      if (this.#request < 0) this.#immediate = setImmediate(() => this.#settle(this.#request))
    } else {
      this.#immediate = setImmediate(() => this.#settle(this.#outcome))
    }
  }

  #settle(outcome: number): void {
    this.#state = 'over'
    this.#done?.(outcome)
  }

  /** Gives the attempt up, unless its outcome was delivered. */
  cancel(): void {
    if (this.#state === 'over') return
    if (this.#immediate !== undefined) clearImmediate(this.#immediate)
    if (this.#request >= 0) this.#engine.requests.forget(this.#request)
    if (this.isConnected) this.#engine.close(this.#outcome)
    this.#state = 'over'
  }
}
