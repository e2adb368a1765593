/**
 * Polls again and again instead of sleeping, while an answer is expected: for a time that a socket's `busyPoll` sets, or that adaptive polling
 * has found to pay. A wait of the first kind stops where that does not pay, because the peer is slow or needs the same processor, and tries
 * again later.
 *
 * - While it is awake, an immediate is set for the next poll.
 * - After 8 waits of the first kind in a row without an event it rests for 20 ms.
 */
import { monotonicTime, setImmediate } from './scheduling.js'

/** Microseconds of one native poll. Timers, immediates and other sockets run between two polls. */
const slice = 50
/** Waits in a row without an event, after which busy polling rests. */
const patience = 8
/** Milliseconds of that rest. */
const rest = 20

export class BusyPolling {
  /** Polls for so many microseconds, and delivers the events. */
  readonly #poll: (microseconds: number) => void
  readonly #onSleep: () => void
  /** End of the wait, and of the rest, by `monotonicTime()`. */
  #until = 0
  #restUntil = 0
  /** End of the wait for an answer, and what is called if none comes. */
  #answerUntil = 0
  #onMiss: (() => void) | undefined
  /** Waits in a row without an event. */
  #misses = 0
  /** Whether something arrived in this wait. */
  #heard = false
  #awake = false
  /** Milliseconds in native polls. */
  #spun = 0

  constructor(poll: (microseconds: number) => void, onSleep: () => void) {
    this.#poll = poll
    this.#onSleep = onSleep
  }

  /** Whether another poll follows. */
  get isAwake(): boolean {
    return this.#awake
  }

  /** Waits so many microseconds from now on. `heard`: because bytes arrived; otherwise bytes were sent. */
  expect(microseconds: number, heard: boolean): void {
    const now = monotonicTime()
    this.#until = Math.max(this.#until, now + microseconds / 1000)
    if (this.#awake) this.#heard ||= heard
    if (now >= this.#restUntil) this.#wake()
  }

  /** Waits for an answer, until `answered()` or so many microseconds later; then `onMiss` is called. */
  awaitAnswer(microseconds: number, onMiss: () => void): void {
    this.#answerUntil = monotonicTime() + microseconds / 1000
    this.#onMiss = onMiss
    this.#wake()
  }

  /** Ends the wait for an answer. */
  answered(): void {
    this.#answerUntil = 0
    this.#onMiss = undefined
  }

  /** Returns the microseconds that polls have taken since the last call. */
  takeSpun(): number {
    const spun = this.#spun
    this.#spun = 0
    return Math.round(spun * 1000)
  }

  #wake(): void {
    if (this.#awake) return
    this.#awake = true
    setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const now = monotonicTime()
    const left = (Math.max(this.#until, this.#answerUntil) - now) * 1000
    if (left > 0) {
      this.#poll(Math.ceil(Math.min(left, slice)))
      this.#spun += monotonicTime() - now
    }
    if (this.#heard) {
      this.#heard = false
      this.#misses = 0
    } else if (left <= 0) {
      this.#sleep(now)
      return
    }
    setImmediate(this.#look)
  }

  #sleep(now: number): void {
    this.#awake = false
    const onMiss = this.#onMiss
    this.answered()
    onMiss?.()
    if (this.#until > 0 && ++this.#misses >= patience) {
      this.#misses = 0
      this.#restUntil = now + rest
    }
    this.#until = 0
    this.#onSleep()
  }
}
