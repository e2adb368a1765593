/**
 * What http, undici, ws, tls and other libraries use of a socket beside the stream. It has the forms of node:net's sockets, and the values of
 * one that is connected to a path.
 */
import { Duplex, type DuplexOptions } from 'node:stream'
import { makeAssignable } from './assignable.js'
import { atCaller, systemError } from './errors.js'
import { type Handle } from './handle.js'
import { callError, handleOf, idleTimer, reportUnsent, touch, unsentError } from './hooks.js'
import { IdleTimer } from './idle-timer.js'
import { CallbackResource } from './resource.js'
import { nextTick } from './scheduling.js'
import { validateFunction, validateTimeout } from './validation.js'

/** Only a socket of `udsock/net` can be 'opening'. */
export type SocketReadyState = 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed'

/** The base class of sockets. Source: class net.Socket of Node's documentation. */
export abstract class NetSocketSurface extends Duplex {
  /** @internal Only sockets whose timeout was set have one. It is no private field: `existing` below could have none. */
  declare [idleTimer]: IdleTimer | undefined

  /**
   * Makes a stream, or initializes `existing` as `Duplex.call(existing, options)` does: classes that derive from this one give their private
   * fields to the object that this constructor returns.
   *
   * @internal
   */
  constructor(options: DuplexOptions, existing?: object) {
    if (existing === undefined) {
      super(options)
      this[idleTimer] = undefined
      return
    }
    ;(Duplex as unknown as (this: object, options: DuplexOptions) => void).call(existing, options)
    const socket = existing as NetSocketSurface
    socket[idleTimer] = undefined
    return socket
  }

  /** Tries to send what was written without waiting, then closes. */
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return
    const closed = new Promise<void>(resolve => this.once('close', resolve))
    this.destroy()
    await closed
  }

  /** @internal */
  abstract get [handleOf](): Handle

  /** @internal */
  [unsentError](error: Error | null): Error | null {
    return error
  }

  /** @internal */
  [reportUnsent](report: () => void, _hasFailed: boolean): void {
    nextTick(report)
  }

  /** @internal */
  [callError](errno: number, syscall: string): Error {
    return systemError(errno, syscall)
  }

  /** Milliseconds without a byte in or out until 'timeout' is emitted; 0 when it is not, undefined when it was never set. */
  get timeout(): number | undefined {
    return this[idleTimer]?.timeout
  }

  /** Changes the value of the property only, as with node:net's sockets. */
  set timeout(value: number | undefined) {
    ;(this[idleTimer] ??= new IdleTimer(this)).assign(value)
  }

  /**
   * Emits 'timeout' after `milliseconds` without a byte in or out, once per silence; at most 2^31 - 1. 0 turns it off. The socket stays open.
   * Source: `socket.setTimeout` of node:net.
   *
   * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    try {
      validateTimeout('milliseconds', milliseconds)
      if (callback !== undefined) validateFunction('callback', callback)
    } catch (error) {
      throw atCaller(error, NetSocketSurface.prototype.setTimeout)
    }
    const timer = (this[idleTimer] ??= new IdleTimer(this))
    timer.set(milliseconds)
    if (milliseconds === 0) {
      if (callback !== undefined) this.removeListener('timeout', callback)
      return this
    }
    if (callback !== undefined) this.on('timeout', onceInContext(callback))
    if (!this.destroyed) timer.start()
    return this
  }

  /** @internal */
  [touch](): void {
    this[idleTimer]?.touch()
  }

  /** Ends the writable side, and destroys the socket when the kernel has taken everything. Source: `socket.destroySoon` of node:net. */
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

  /** Undefined, as are the five properties below: a path has neither port nor IP address. */
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

  get localFamily(): undefined {
    return undefined
  }

  address(): object {
    return {}
  }

  /** Does nothing: there is no Nagle algorithm on a Unix-domain socket. */
  setNoDelay(_on?: boolean): this {
    return this
  }

  /** Does nothing: the kernel reports every end of a Unix-domain peer. */
  setKeepAlive(_on?: boolean, _delay?: number): this {
    return this
  }
}

makeAssignable(NetSocketSurface.prototype, ['connecting', 'pending', 'readyState'])

/** Returns a listener that calls `callback` once, in the caller's context, and that `removeListener(event, callback)` finds. */
function onceInContext(callback: () => void): () => void {
  const resource = new CallbackResource('UnixSocketTimeout')
  function listener(this: NetSocketSurface): void {
    this.removeListener('timeout', callback)
    resource.runInAsyncScope(callback, this)
  }
  return Object.assign(listener, { listener: callback })
}
