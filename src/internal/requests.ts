/**
 * The requests that the control plane works on (a connect, a listen), and their outcomes.
 *
 * - A request has one outcome, an id or a negative errno, unless it is forgotten before.
 * - A request without an outcome keeps the process alive.
 * - The id of a request that was forgotten is closed.
 */
import { type Driver } from './binding.js'

/** What the requests need of the engine. */
interface RequestOwner {
  readonly driver: Driver
  close(id: number): void
  ref(): void
  unref(): void
}

interface Request {
  /** Takes the outcome; undefined once there is one. */
  done: ((idOrErrno: number) => void) | undefined
  /** Takes a note about the id that was the outcome. */
  readonly onNote: ((note: number) => void) | undefined
}

export class Requests {
  readonly #owner: RequestOwner
  readonly #requests = new Map<number, Request>()
  #last = 0

  constructor(owner: RequestOwner) {
    this.#owner = owner
  }

  /**
   * Starts a request. `start` gets its number and returns 0 or a negative errno. `done` gets an id or a negative errno, later and once,
   * unless the request is forgotten. Returns the number, or the negative errno of `start`.
   *
   * With `onNote`, a request whose outcome is an id goes on until it is forgotten, and `onNote` gets every note about that id.
   */
  start(
    start: (request: number) => number,
    done: (idOrErrno: number) => void,
    onNote?: (note: number) => void,
  ): number {
    do this.#last = (this.#last + 1) % 2 ** 31
    while (this.#requests.has(this.#last))
    const number = this.#last
    const errno = start(number)
    if (errno < 0) return errno
    this.#requests.set(number, { done, onNote })
    this.#owner.ref()
    return number
  }

  /** Ends a request: its outcome, if there is none yet, is discarded, and no note comes any more. */
  forget(number: number): void {
    const request = this.#requests.get(number)
    if (request === undefined) return
    this.#requests.delete(number)
    this.#owner.driver.forget(number)
    if (request.done !== undefined) this.#owner.unref()
  }

  /** Delivers the outcome of a request. */
  complete(number: number, idOrErrno: number): void {
    const request = this.#requests.get(number)
    const done = request?.done
    if (request === undefined || request.onNote === undefined || idOrErrno < 0) {
      this.forget(number)
    } else {
      request.done = undefined
      this.#owner.unref()
    }
    if (done !== undefined) done(idOrErrno)
    else if (idOrErrno >= 0) this.#owner.close(idOrErrno)
  }

  /** Delivers a note about a request's id. */
  note(number: number, note: number): void {
    this.#requests.get(number)?.onNote?.(note)
  }
}
