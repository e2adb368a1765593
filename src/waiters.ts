import { abortError } from './errors.js'

interface Waiter<T> {
  resolve(value: T): void
  reject(error: Error): void
}

/** Those who wait for something, in the order in which they came. */
export class Waiters<T> {
  readonly #all = new Set<Waiter<T>>()

  get size(): number {
    return this.#all.size
  }

  /** Joins them; an abort leaves them. */
  wait(signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal === undefined) {
        this.#all.add({ resolve, reject })
        return
      }
      const onAbort = (): void => {
        if (this.#all.delete(waiter)) reject(abortError(signal))
      }
      const leaving =
        <V>(settle: (value: V) => void) =>
        (value: V): void => {
          signal.removeEventListener('abort', onAbort)
          settle(value)
        }
      const waiter: Waiter<T> = { resolve: leaving(resolve), reject: leaving(reject) }
      this.#all.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Takes out who waits longest. */
  shift(): Waiter<T> | undefined {
    for (const waiter of this.#all) {
      this.#all.delete(waiter)
      return waiter
    }
    return undefined
  }
}
