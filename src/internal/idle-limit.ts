/**
 * Destroys a socket over which no byte and no message has gone for a while, in either direction: for `idleTimeout` of `listen()`.
 *
 * It compares counts four times in that while, so that sending and receiving cost nothing more. Its timer ends with the socket.
 */
import { messageCount } from './hooks.js'
import { type Resource } from './resource.js'
import { clearInterval, setInterval } from './scheduling.js'

/** What is used of a socket. */
export interface CountingSocket {
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Of a socket whose messages may have no byte. */
  readonly [messageCount]?: number
  destroy(): unknown
}

/** Looks in the time that is allowed. */
const looks = 4

class IdleLimit {
  readonly #socket: CountingSocket
  readonly #resource: Resource
  #count = 0
  /** Looks in a row that found nothing new. */
  #idle = 0

  constructor(socket: CountingSocket, resource: Resource) {
    this.#socket = socket
    this.#resource = resource
  }

  readonly look = (): void => {
    const { bytesRead, bytesWritten, [messageCount]: messages = 0 } = this.#socket
    const count = bytesRead + bytesWritten + messages
    this.#idle = count === this.#count ? this.#idle + 1 : 0
    this.#count = count
    if (this.#idle >= looks) this.#resource.runInAsyncScope(() => this.#socket.destroy())
  }
}

/** The limit of a socket that is about to be made. */
export interface PreparedLimit {
  /** Is to be called when the socket is closed. */
  readonly onClosed: () => void
  /** Starts the limit, and returns the socket. */
  watch<S extends CountingSocket>(socket: S): S
}

/** Prepares a limit of so many milliseconds. `onClosed` is called when the socket is closed. */
export function limitIdle(milliseconds: number, resource: Resource, onClosed: () => void): PreparedLimit {
  if (milliseconds === Infinity) return { onClosed, watch: socket => socket }
  let timer: NodeJS.Timeout | undefined
  return {
    onClosed: () => {
      clearInterval(timer)
      onClosed()
    },
    watch: socket => {
      const { look } = new IdleLimit(socket, resource)
      timer = setInterval(look, Math.max(1, milliseconds / looks)).unref()
      return socket
    },
  }
}
