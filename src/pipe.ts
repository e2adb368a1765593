import { Duplex } from 'node:stream'
import { systemError } from './errors.js'
import { validateFunction, validateTimeout } from './validate.js'

/** 'opening' is what only a socket of `udsock/net` can be. */
export type SocketReadyState = 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed'

/** What a timer can do. */
const longestTimeout = 2 ** 31 - 1

/**
 * What http, undici, ws, tls and others touch on a socket beside the stream, as node:net gives it for a pipe.
 * Source: class net.Socket of Node's documentation.
 */
export abstract class PipeDuplex extends Duplex {
  /** Of `#duration` milliseconds. It may run though no timeout is set: servers of http take it back and set it again with each request. */
  #timer: NodeJS.Timeout | undefined
  #duration = 0
  #timeout: number | undefined

  /** Runs `work` in the async context of this socket's callbacks. */
  protected abstract inContext<T>(work: () => T): T

  /** What a system call that failed is told as. */
  protected failed(errno: number, syscall: string): Error {
    return systemError(errno, syscall)
  }

  /** Milliseconds of silence until 'timeout' is emitted, once per silence; 0: none; undefined: never set. */
  get timeout(): number | undefined {
    return this.#timeout
  }

  /**
   * Emits 'timeout' after so many milliseconds without a byte in or out, at most 2^31 - 1; 0 ends it. The socket stays open.
   * Source: `socket.setTimeout` of node:net.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    validateTimeout('milliseconds', milliseconds)
    if (callback !== undefined) validateFunction('callback', callback)
    this.#timeout = milliseconds
    if (milliseconds === 0) {
      if (callback !== undefined) this.removeListener('timeout', callback)
      return this
    }
    if (callback !== undefined) this.once('timeout', callback)
    if (!this.destroyed) this.#startTimer(milliseconds)
    return this
  }

  #startTimer(milliseconds: number): void {
    if (this.#timer !== undefined && this.#duration === milliseconds) {
      this.#timer.refresh()
      return
    }
    this.stopTimer()
    this.#duration = milliseconds
    const elapsed = (): void => void (this.#timeout !== 0 && this.emit('timeout'))
    this.#timer = this.inContext(() => setTimeout(elapsed, Math.min(milliseconds, longestTimeout)).unref())
  }

  /** A byte went in or out. */
  protected touch(): void {
    if (this.#timer !== undefined && this.#timeout !== 0) this.#timer.refresh()
  }

  protected stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Ends, and destroys once everything written is in the kernel. As node:net's. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** Always false: `connect()` resolves with a connected socket. */
  get connecting(): boolean {
    return false
  }

  /** Always false, as `connecting`. */
  get pending(): boolean {
    return false
  }

  get readyState(): SocketReadyState {
    if (this.readable && this.writable) return 'open'
    if (this.readable) return 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  /** As node:net for a pipe: there is no port and no IP address. */
  get remoteAddress(): undefined {
    return undefined
  }

  get remotePort(): undefined {
    return undefined
  }

  get remoteFamily(): undefined {
    return undefined
  }

  get localAddress(): undefined {
    return undefined
  }

  get localPort(): undefined {
    return undefined
  }

  address(): object {
    return {}
  }

  /** Does nothing: there is no Nagle algorithm on a Unix-domain socket. */
  setNoDelay(_on?: boolean): this {
    return this
  }

  /** Does nothing: a Unix-domain peer cannot vanish unnoticed. */
  setKeepAlive(_on?: boolean, _delay?: number): this {
    return this
  }
}
