/**
 * Defers work to the phase of the event loop in which libuv runs such work.
 *
 * - Deferred work proceeds once, in the order in which it was deferred; an error that it throws is reported as uncaught.
 * - Work for the closing phase runs once, the last one first.
 */
import { type RawFunctions } from './binding.js'
import { setImmediate } from './scheduling.js'

/** Work that has to wait for a later iteration of the event loop. */
export interface Deferrable {
  proceed(): void
}

export class Phases {
  readonly #raw: RawFunctions
  readonly #uncaught: (error: unknown) => void
  readonly #deferred: Deferrable[] = []
  /** Work for the next closing phase. */
  #closings: (() => void)[] = []
  /** Work that is left of this closing phase. */
  #closing: (() => void)[] = []

  constructor(raw: RawFunctions, uncaught: (error: unknown) => void) {
    this.#raw = raw
    this.#uncaught = uncaught
  }

  /**
   * Lets `work` proceed in a later iteration of the event loop. By then the promises and immediates of this turn, and those that its ticks and
   * promises still make, have run, as between two polls of libuv.
   */
  defer(work: Deferrable): void {
    if (this.#deferred.push(work) === 1) setImmediate(this.#proceedNext)
  }

  /** An immediate that is made in an immediate belongs to the next iteration. */
  readonly #proceedNext = (): void => {
    setImmediate(this.#proceed, this.#deferred.splice(0))
  }

  readonly #proceed = (deferred: Deferrable[]): void => {
    for (const work of deferred) {
      try {
        work.proceed()
      } catch (error) {
        this.#uncaught(error)
      }
    }
  }

  /**
   * Runs `work` in the event loop's closing phase, where Node's handles emit 'close': after the immediates that are due and before the loop
   * waits, the last one first. With the doorbell, which has no such phase, the work runs in an immediate.
   */
  whenClosing(work: () => void): void {
    this.#closings.push(work)
    if (this.#raw.callWhenClosing() === 0) setImmediate(this.runClosing)
  }

  /** Runs the next work of the closing phase. */
  readonly runClosing = (): void => {
    // Work that is added from here on belongs to the next phase.
    if (this.#closing.length === 0) [this.#closing, this.#closings] = [this.#closings, this.#closing]
    this.#closing.pop()?.()
  }
}
