/**
 * The end of a listener whose path another listener has taken over. It goes on for a second at least, because clients may have found its file
 * just before, and until the kernel's queue is empty. Does not keep the process alive.
 */
import { type ListenHandle } from './listen-handle.js'
import { clearTimeout, monotonicTime, setTimeout } from './scheduling.js'

/** The least number of milliseconds from the start to the end. */
const duration = 1000
/** Milliseconds between two looks at the kernel's queue. */
const interval = 50

export class Farewell {
  readonly #handle: ListenHandle
  readonly #onEnd: () => void
  readonly #since = monotonicTime()
  #timer: NodeJS.Timeout

  constructor(handle: ListenHandle, onEnd: () => void) {
    this.#handle = handle
    this.#onEnd = onEnd
    this.#timer = this.#lookAfter(duration)
  }

  cancel(): void {
    clearTimeout(this.#timer)
  }

  #lookAfter(milliseconds: number): NodeJS.Timeout {
    return setTimeout(this.#look, milliseconds).unref()
  }

  readonly #look = (): void => {
    // A timer may come early: the event loop's clock is coarser than this one.
    const left = this.#since + duration - monotonicTime()
    if (left > 0) this.#timer = this.#lookAfter(left)
    else if (this.#handle.isAcceptable) this.#timer = this.#lookAfter(interval)
    else this.#onEnd()
  }
}
