/**
 * The time limit of a message, from its first byte to its last.
 *
 * At most one timer runs, and only while a message is incomplete and its socket reads: a pause of the receiver does not count.
 */
import { clearTimeout, setTimeout } from './scheduling.js'

export class MessageTimer {
  readonly #milliseconds: number
  readonly #onTimeout: () => void
  #timer: NodeJS.Timeout | undefined
  /** The message that the timer runs for. */
  #message: number | undefined

  constructor(milliseconds: number, onTimeout: () => void) {
    this.#milliseconds = milliseconds
    this.#onTimeout = onTimeout
  }

  /** Takes notice of the number of the message that is incomplete, or of none. */
  track(message: number | undefined): void {
    if (message === this.#message) return
    this.stop()
    if (message === undefined) return
    this.#message = message
    this.#timer = setTimeout(this.#onTimeout, this.#milliseconds).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = this.#message = undefined
  }
}
