/**
 * The timeout of a socket: reports silence, a time without a byte in or out. Only sockets whose timeout was set have one.
 *
 * The timer may run while the timeout is 0: http servers set and clear it with each request, and starting a timer costs more than letting one
 * elapse.
 */
import { handleOf } from './hooks.js'
import { type Resource } from './resource.js'
import { clearTimeout, longestDelay, setTimeout } from './scheduling.js'

/** The socket of a timer. */
export interface TimedSocket {
  readonly [handleOf]: { readonly resource: Resource }
  emit(event: 'timeout'): boolean
}

export class IdleTimer {
  readonly #socket: TimedSocket
  #timer: NodeJS.Timeout | undefined
  /** Milliseconds that the timer was started with. */
  #duration = 0
  #timeout: number | undefined
  /** What the user assigned to the property `timeout`, until the next `setTimeout()`. */
  #assigned: number | undefined

  constructor(socket: TimedSocket) {
    this.#socket = socket
  }

  /** The value of the property `timeout`. */
  get timeout(): number | undefined {
    return this.#assigned ?? this.#timeout
  }

  /** Changes the value of the property only, as with node:net's sockets. */
  assign(timeout: number | undefined): void {
    this.#assigned = timeout
  }

  /** Sets the timeout; 0 turns it off. */
  set(milliseconds: number): void {
    this.#timeout = milliseconds
    this.#assigned = undefined
  }

  /** Starts the timer, or restarts it. */
  start(): void {
    const milliseconds = this.#timeout
    if (!milliseconds) return
    if (this.#timer !== undefined && this.#duration === milliseconds) {
      this.#timer.refresh()
      return
    }
    this.stop()
    this.#duration = milliseconds
    // In the socket's context at that time: a socket that is reused has the context of its next request.
    const elapsed = (): void => {
      const socket = this.#socket
      if (this.#timeout !== 0) socket[handleOf].resource.runInAsyncScope(() => socket.emit('timeout'))
    }
    this.#timer = setTimeout(elapsed, Math.min(milliseconds, longestDelay)).unref()
  }

  /** Restarts the timer if it runs, because bytes were sent or received. */
  touch(): void {
    if (this.#timer !== undefined && this.#timeout !== 0) this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
