/**
 * The socket of `udsock/dgram`, with unix-dgram's methods and events.
 *
 * `bind()` and `connect()` emit 'listening', 'connect' or 'error' before they return. `send()` sends before it returns and then calls back, if the
 * receiver has room. Otherwise the message waits.
 */
import { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import { type DatagramSocket } from '../datagram-socket.js'
import { datagramKind } from '../internal/datagram-kind.js'
import { type Call, datagramBinds, opened } from '../internal/diagnostics.js'
import { receiverAt } from '../internal/datagram-receiver.js'
import { engine } from '../internal/engine.js'
import { atCaller, invalidType, invalidValue, outOfRange, systemError } from '../internal/errors.js'
import { Handle } from '../internal/handle.js'
import { partsOf } from '../internal/hooks.js'
import { Resource } from '../internal/resource.js'
import { validateInteger } from '../internal/validation.js'
import { type UnixSocketPath } from '../path.js'

const { EAGAIN } = constants.errno
/** Bytes of the longest message that is sent, and of one that is received whole. */
const longestSent = 256 * 1024
const longestReceived = 64 * 1024

/** Where a message has come from. */
export interface RemoteInfo {
  /** Bytes of the message. */
  size: number
  /** The sender's path; without one for an unbound sender. */
  address: { path?: string }
  /** The same; null for an unbound sender. An abstract name begins with a zero character. */
  path: string | null
  /** Whether the message was longer than 65,536 bytes, and only its beginning is here. */
  truncated: boolean
}

/** The events of a Socket, with their listeners' arguments. */
export interface SocketEvents {
  message: [message: Buffer, rinfo: RemoteInfo]
  listening: []
  connect: []
  /** The receiver had no room for `message`, which was sent without a callback: it was not sent. */
  congestion: [message: Uint8Array]
  /** There is room again after 'congestion'. */
  writable: []
  close: []
  error: [error: Error]
}

type Callback = (error?: Error) => void
type Message = Uint8Array | string

export class Socket extends EventEmitter<SocketEvents> {
  readonly type = 'unix_dgram'
  /** Whether `connect()` was called with success. */
  connected = false
  readonly #socket: DatagramSocket
  #isCongested = false

  constructor(type: 'unix_dgram', listener?: (message: Buffer, rinfo: RemoteInfo) => void) {
    super()
    try {
      if ((type as unknown) !== 'unix_dgram')
        throw invalidValue('type', `it must be 'unix_dgram', not '${String(type)}'`)
      this.#socket = unbound()
    } catch (error) {
      throw atCaller(error, Socket)
    }
    if (typeof listener === 'function') this.on('message', listener)
    this.#socket.on('message', (message, { from, truncated }) => {
      const path = from === undefined ? null : textOf(from)
      const address = path === null ? {} : { path }
      this.emit('message', message, { size: message.length, address, path, truncated })
    })
    this.#socket.on('error', error => void this.emit('error', error))
    this.#socket[partsOf].writer.onRoom = () => this.#onRoom()
    this.#socket.on('close', () => void this.emit('close'))
    opened(this.#socket, this)
  }

  /** Binds the socket to a path. Emits 'listening' or 'error' before it returns. The file is not removed by `close()`. */
  bind(path: UnixSocketPath): void {
    const call = datagramBinds.begin(path)
    this.#attempt('listening', call, () => this.#socket[partsOf].peer.bind(addressOf(path)))
  }

  /**
   * Sets the receiver of `send(message, callback?)`, and the only sender that is received from. Emits 'connect' or 'error' before it returns. A
   * socket whose receiver was replaced connects again by itself.
   */
  connect(path: UnixSocketPath): void {
    this.#attempt('connect', undefined, () => {
      this.#socket[partsOf].peer.connect(addressOf(path))
      this.connected = true
    })
  }

  /** `call`: what the diagnostics channels get. */
  #attempt(event: 'listening' | 'connect', call: Call | undefined, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.emit('error', datagramBinds.failed(call, atCaller(error, event === 'connect' ? connect : bind)))
      return
    }
    datagramBinds.succeeded(call, this)
    this.emit(event)
  }

  /**
   * Sends a message to the receiver of `connect()`, or `length` bytes from `offset` on to the socket at `path`. Calls back before it returns if the
   * kernel takes or refuses the message at once.
   *
   * While the receiver has no room the message waits, and `callback` is called later. Without a callback, and with a listener for 'congestion', the
   * message is not sent: 'congestion' is emitted, and 'writable' when there is room. An error without a callback is an 'error' event.
   */
  send(message: Message, callback?: Callback): void
  send(message: Message, offset: number, length: number, path: UnixSocketPath, callback?: Callback): void
  send(
    message: Message,
    second?: number | Callback,
    length?: number,
    path?: UnixSocketPath,
    last?: Callback,
  ): void {
    try {
      const bytes = typeof message === 'string' ? Buffer.from(message) : message
      if (!(bytes instanceof Uint8Array)) throw invalidType('message', 'a string or a Uint8Array', message)
      if (length === undefined && typeof second !== 'number') {
        this.#send(bytes, undefined, second)
        return
      }
      validateInteger('offset', second, 0, bytes.length)
      validateInteger('length', length, 0, 2 ** 31 - 1)
      if (second + length > bytes.length)
        throw outOfRange('length', `at most ${bytes.length - second}`, length)
      this.#send(bytes.subarray(second, second + length), addressOf(path as UnixSocketPath), last)
    } catch (error) {
      throw atCaller(error, send)
    }
  }

  /** The same as `send()` with a path. */
  sendto(message: Message, offset: number, length: number, path: UnixSocketPath, callback?: Callback): void {
    this.send(message, offset, length, path, callback)
  }

  #send(bytes: Uint8Array, to: UnixSocketPath | undefined, given: Callback | undefined): void {
    const callback = typeof given === 'function' ? given : undefined
    const receiver = to === undefined ? undefined : receiverAt(to)
    const errno = this.#socket[partsOf].writer.sendNow(bytes, receiver)
    if (errno === -EAGAIN) {
      this.#wait(bytes, to, callback)
      return
    }
    if (errno < 0) {
      const error = systemError(errno, 'send', receiver?.display)
      if (callback === undefined) this.emit('error', error)
      else callback(error)
    } else {
      callback?.()
    }
  }

  #wait(bytes: Uint8Array, to: UnixSocketPath | undefined, callback: Callback | undefined): void {
    if (callback === undefined && to === undefined && this.listenerCount('congestion') > 0) {
      this.#isCongested = true
      this.emit('congestion', bytes)
      return
    }
    // The caller may use the memory again.
    const copy = Buffer.from(bytes)
    if (callback === undefined) this.#socket.send(copy, { to })
    else this.#socket.send(copy, { to }, error => (error ? callback(error) : callback()))
  }

  #onRoom(): void {
    if (!this.#isCongested) return
    this.#isCongested = false
    this.emit('writable')
  }

  /** Closes the socket; 'close' follows. Messages that wait for room are not sent: their callbacks get ERR_STREAM_DESTROYED. */
  close(): void {
    this.#socket.destroy()
  }

  /** Has the socket keep the process alive until `close()`. The default. */
  ref(): this {
    this.#socket.ref()
    return this
  }

  /** Undoes `ref()`. */
  unref(): this {
    this.#socket.unref()
    return this
  }
}

function unbound(): DatagramSocket {
  const own = engine()
  const kind = datagramKind({ maxMessageLength: longestSent })
  const id = own.driver.datagramSocket(true)
  if (id < 0) throw systemError(id, 'socket')
  const handle = new Handle(own, id, kind.options, new Resource(kind.resourceName))
  try {
    const socket = kind.make(handle)
    // An error comes with the first read.
    handle.setLongestRecord(longestReceived)
    return socket
  } catch (error) {
    handle.close()
    throw error
  }
}

/** Returns a path in the form that `connect()` takes: a string that begins with a zero character is an abstract name. */
function addressOf(path: UnixSocketPath): UnixSocketPath {
  return typeof path === 'string' && path.startsWith('\0') ? Buffer.from(path) : path
}

function textOf(path: UnixSocketPath): string {
  return path instanceof Uint8Array ? Buffer.from(path).toString() : String(path)
}

const { bind, connect, send } = Socket.prototype
