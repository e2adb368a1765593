/**
 * The callbacks of writes that bypass Writable, in the order of the writes. Each has the position in the stream of bytes at which its
 * write ends; positions never decrease.
 */
import { nextTick } from './scheduling.js'

export type WriteCallback = (error?: Error | null) => void

interface Awaited {
  readonly end: number
  callback: WriteCallback
  next: Awaited | undefined
}

export class CallbackQueue {
  #first: Awaited | undefined
  #last: Awaited | undefined

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  /** Adds the callback of a write that ends at `end`. */
  add(end: number, callback: WriteCallback): void {
    const awaited: Awaited = { end, callback, next: undefined }
    if (this.#last === undefined) this.#first = awaited
    else this.#last.next = awaited
    this.#last = awaited
  }

  /** Has the callback of the write that ends at `end` get `error` in its turn. Returns whether there is one. */
  fail(end: number, error: Error): boolean {
    let awaited = this.#first
    while (awaited !== undefined && awaited.end < end) awaited = awaited.next
    if (awaited?.end !== end) return false
    const { callback } = awaited
    awaited.callback = () => callback(error)
    return true
  }

  /** Removes the first callback if its write ends at `sent` or before, and returns it. */
  takeDue(sent: number): WriteCallback | undefined {
    const first = this.#first
    if (first === undefined || first.end > sent) return undefined
    this.#removeFirst(first)
    return first.callback
  }

  /** Calls back in a tick for the writes that end at `sent` or before; with `error`, for all of them. */
  callBackSoon(sent: number, error: Error | null): void {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      const isSent = first.end <= sent
      if (!isSent && error === null) return
      this.#removeFirst(first)
      nextTick(first.callback, isSent ? null : error)
    }
  }

  #removeFirst(first: Awaited): void {
    this.#first = first.next
    if (first.next === undefined) this.#last = undefined
  }
}
