/**
 * The delays between the attempts of `connections()`: twice as long each time, from `min` to `max` milliseconds.
 *
 * The delay that is due is from `min` to `max`. What `next()` returns is random between its half and its whole.
 */
export class Backoff {
  readonly #min: number
  readonly #max: number
  /** The delay that is due. */
  #delay: number

  constructor(min: number, max: number) {
    this.#min = this.#delay = min
    this.#max = max
  }

  /** Begins anew after a connection that lasted longer, in milliseconds, than the delay that is due. */
  consider(lifetime: number): void {
    if (lifetime > this.#delay) this.#delay = this.#min
  }

  /** Returns the milliseconds to wait now. */
  next(): number {
    const delay = this.#delay
    this.#delay = Math.min(2 * delay, this.#max)
    return (delay * (1 + Math.random())) / 2
  }
}
