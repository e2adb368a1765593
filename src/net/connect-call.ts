/**
 * One call of a socket's `connect()`: from 'connectionAttempt' to 'connect' and 'ready', or to an error that destroys the socket.
 *
 * A later call, and the destruction of the socket, cancel it; nothing of it happens after that.
 */
import { constants } from 'node:os'
import { connects, opened } from '../internal/diagnostics.js'
import { connectTo, handleOf, touch } from '../internal/hooks.js'
import { checkConnectPermission } from '../internal/permission.js'
import { type Resource } from '../internal/resource.js'
import { setImmediate } from '../internal/scheduling.js'
import { pathFromBytes } from '../path.js'
import { type UnixSocket } from '../socket.js'
import { addressOf } from './arguments.js'
import { ConnectAttempt } from '../internal/connect-attempt.js'
import { callFailed } from './errors.js'

const { EISCONN } = constants.errno

/** Notes that a call of `connect()` is over, and whether the socket is connected. */
export const onConnectOver = Symbol('onConnectOver')

export interface ConnectingSocket extends UnixSocket {
  [onConnectOver](isConnected: boolean): void
}

export class ConnectCall {
  readonly #socket: ConnectingSocket
  readonly #path: string
  /** The address that `path` is the text of, if a string cannot be that address. */
  readonly #exact: Uint8Array | undefined
  #attempt: ConnectAttempt | undefined
  #isCancelled = false
  #call: ReturnType<typeof connects.begin>

  constructor(socket: ConnectingSocket, path: string, exact: Uint8Array | undefined) {
    this.#socket = socket
    this.#path = path
    this.#exact = exact
  }

  /** Whether the kernel has connected, and 'connect' is about to be emitted. */
  get isConnected(): boolean {
    return this.#attempt?.isConnected === true
  }

  /** Connects, with the events in the context of `resource`; fails if the socket `isConnected` already. */
  start(resource: Resource, isConnected: boolean): void {
    const socket = this.#socket
    resource.owner ??= socket[handleOf]
    socket.emit('connectionAttempt', this.#path, undefined, undefined)
    if (this.#isCancelled) return
    if (isConnected) {
      setImmediate(() => {
        if (!this.#isCancelled) this.#fail(-EISCONN)
      })
      return
    }
    // Readable does not call `_read` again for a consumer that existed before.
    if (socket.readableFlowing === true || socket.listenerCount('readable') > 0) socket._read()
    const address = this.#exact ?? addressOf(this.#path)
    try {
      checkConnectPermission(address, this.#path)
    } catch (error) {
      socket.destroy(error as Error)
      return
    }
    this.#call = connects.begin(this.#exact ?? this.#path)
    this.#attempt = new ConnectAttempt(socket[handleOf].engine, address, true)
    this.#attempt.deliver(Infinity, outcome => resource.runInAsyncScope(this.#conclude, this, outcome))
  }

  cancel(): void {
    this.#isCancelled = true
    this.#attempt?.cancel()
  }

  #fail(errno: number): void {
    const error = connects.failed(this.#call, callFailed(errno, 'connect', this.#path))
    this.#socket[onConnectOver](false)
    this.#socket.emit('connectionAttemptFailed', this.#path, undefined, undefined, error)
    this.#socket.destroy(error)
  }

  #conclude(idOrErrno: number): void {
    if (idOrErrno < 0) {
      this.#fail(idOrErrno)
      return
    }
    const socket = this.#socket
    socket[onConnectOver](true)
    socket[connectTo](idOrErrno, this.#exact === undefined ? this.#path : pathFromBytes(this.#exact))
    socket[touch]()
    connects.succeeded(this.#call, opened(socket))
    socket.emit('connect')
    socket.emit('ready')
    if (!socket.isPaused()) socket.read(0)
  }
}
