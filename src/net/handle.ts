/**
 * The objects that programs find as `_handle` on sockets and servers. They are not handles of Node: Node does not treat them as streams, and cannot send
 * them to another process.
 */
import { handleOf, hasInput } from '../internal/hooks.js'
import { Resource } from '../internal/resource.js'

/** The server of a `ServerHandle`. */
export interface HandleOwner {
  close(): void
  ref(): void
  unref(): void
  hasRef(): boolean
}

/** The `_handle` of a server that listens. Programs test whether it exists, and call the methods below. */
export class ServerHandle {
  readonly #owner: HandleOwner
  /** The descriptor is not known, as on Windows. */
  readonly fd = -1

  constructor(owner: HandleOwner) {
    this.#owner = owner
  }

  /** Stops listening. */
  close(): void {
    this.#owner.close()
  }

  ref(): void {
    this.#owner.ref()
  }

  unref(): void {
    this.#owner.unref()
  }

  hasRef(): boolean {
    return this.#owner.hasRef()
  }
}

/** The socket of a `SocketHandle`. */
export interface HandledSocket {
  [hasInput](): boolean
  readonly [handleOf]: { resource: Resource }
  ref(): void
  unref(): void
  destroy(): void
}

/**
 * The `_handle` of a socket that is connected or connecting. Before they reuse a socket, Node's http agents call `hasPendingRead` to find out
 * whether the server sent something unasked, and `asyncReset` to move the socket into the async context of the next request.
 */
export class SocketHandle {
  readonly #socket: HandledSocket
  #resource: Resource | undefined
  /** The descriptor is not known, as on Windows. */
  readonly fd = -1
  /** Assigned by node:http; the stream has its own account. */
  reading = true
  /** Assigned by node:http's agents. */
  onread: unknown

  constructor(socket: HandledSocket) {
    this.#socket = socket
  }

  hasPendingRead(): boolean {
    return this.#socket[hasInput]()
  }

  asyncReset(): void {
    this.#resource = this.#socket[handleOf].resource = new Resource('UnixSocket')
  }

  getAsyncId(): number {
    return this.#resource?.asyncId() ?? -1
  }

  getProviderType(): number {
    return 0
  }

  /** Does nothing: the stream starts and stops reading. */
  readStart(): number {
    return 0
  }

  /** Does nothing, like `readStart`. */
  readStop(): number {
    return 0
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  close(): void {
    this.#socket.destroy()
  }
}
