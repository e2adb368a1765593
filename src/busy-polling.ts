/** Microseconds of one native poll: timers, immediates and other sockets have their turn between two. */
const slice = 50
/** Waits in a row that brought nothing, after which the engine sleeps as usual, and for how long, in milliseconds. */
const patience = 8
const rest = 20

/**
 * Decides when the engine asks again and again instead of sleeping: for as long as the socket that spoke last wants it. It
 * gives up where that does not pay, because the peer is slow or wants the same processor, and tries again later.
 */
export class BusyPolling {
  /** Polls for so many microseconds, and delivers. */
  readonly #poll: (microseconds: number) => void
  readonly #onSleep: () => void
  /** Milliseconds of `performance.now()`. */
  #until = 0
  #restUntil = 0
  #misses = 0
  #heard = false
  #awake = false

  constructor(poll: (microseconds: number) => void, onSleep: () => void) {
    this.#poll = poll
    this.#onSleep = onSleep
  }

  /** Is a poll to come? */
  get isAwake(): boolean {
    return this.#awake
  }

  /** A socket spoke, or was spoken to (`heard`), and wants its answer without a sleep. */
  expect(microseconds: number, heard: boolean): void {
    const now = performance.now()
    this.#until = Math.max(this.#until, now + microseconds / 1000)
    if (this.#awake) this.#heard ||= heard
    if (this.#awake || now < this.#restUntil) return
    this.#awake = true
    setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const left = (this.#until - performance.now()) * 1000
    if (left > 0) this.#poll(Math.min(left, slice))
    if (this.#heard) {
      this.#heard = false
      this.#misses = 0
    } else if (left <= 0) {
      this.#sleep()
      return
    }
    setImmediate(this.#look)
  }

  #sleep(): void {
    this.#awake = false
    if (++this.#misses >= patience) {
      this.#misses = 0
      this.#restUntil = performance.now() + rest
    }
    this.#onSleep()
  }
}
