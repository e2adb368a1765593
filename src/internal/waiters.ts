/** Promises that wait for the same thing, in the order in which they were made. Each settles once; an abort takes it out. */
import { abortError } from './errors.js'

interface Waiter<T> {
  resolve(value: T): void
  reject(error: Error): void
}

export class Waiters<T> {
  readonly #all = new Set<Waiter<T>>()

  get size(): number {
    return this.#all.size
  }

  /** Adds a promise, which the abort of `signal` rejects. */
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

  /** Takes out the promise that waits longest. */
  shift(): Waiter<T> | undefined {
    for (const waiter of this.#all) {
      this.#all.delete(waiter)
      return waiter
    }
    return undefined
  }

  resolveAll(value: T): void {
    while (this.#all.size > 0) this.shift()?.resolve(value)
  }

  rejectAll(error: Error): void {
    while (this.#all.size > 0) this.shift()?.reject(error)
  }
}
