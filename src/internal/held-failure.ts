/**
 * The failure of a connection whose reader has not consumed what arrived before it. Bytes come before the error that follows them, so the
 * socket is destroyed when the reader has consumed everything, or has gone.
 *
 * At most one immediate and one timer of a failure run at a time, and none after `cancel`.
 */
import { clearTimeout, setImmediate, setTimeout } from './scheduling.js'

/** Milliseconds after which a reader that does not read counts as waiting for the callback of a write that has failed. */
const longestStall = 1000

/** The reader that a failure waits for. */
export interface FailureOwner {
  /** Whether the reader has consumed everything that the peer had sent, or has gone. */
  readonly mayFail: boolean
  /** Whether the reader has bytes to consume that the stream holds. */
  readonly hasBuffered: boolean
  /** Destroys the socket. */
  destroy(error: Error): void
  /** Is called when the reader has not read for a while. */
  onStall(): void
}

export class HeldFailure {
  readonly error: Error
  readonly #owner: FailureOwner
  readonly #timer: NodeJS.Timeout
  #state: 'waiting' | 'due' | 'cancelled' = 'waiting'
  #isOverdue = false

  constructor(error: Error, owner: FailureOwner) {
    this.error = error
    this.#owner = owner
    this.#timer = setTimeout(() => {
      this.#isOverdue = true
      owner.onStall()
    }, longestStall)
  }

  /** Whether the reader has not read for a while. */
  get isOverdue(): boolean {
    return this.#isOverdue
  }

  /** Looks whether the reader has consumed everything, in a turn of its own: the last bytes are handled first. */
  reconsider(): void {
    this.#timer.refresh()
    if (this.#state !== 'waiting' || this.#owner.hasBuffered) return
    this.#state = 'due'
    setImmediate(() => {
      if (this.#state !== 'due') return
      this.#state = 'waiting'
      if (this.#owner.mayFail) this.#owner.destroy(this.error)
    })
  }

  cancel(): void {
    this.#state = 'cancelled'
    clearTimeout(this.#timer)
  }
}
