/** The addresses of a socket for datagrams: its own, and that of the receiver that it is connected to, which may be none. */
import { keepPath, resolvePath, type UnixSocketPath } from '../path.js'
import { meanings } from './datagram-queue.js'
import { type DatagramReceiver, receiverAt } from './datagram-receiver.js'
import { type DatagramWriter } from './datagram-writer.js'
import { systemError } from './errors.js'
import { type Handle } from './handle.js'
import { checkListenPermission } from './permission.js'

export class DatagramPeer {
  readonly #handle: Handle
  readonly #writer: DatagramWriter
  #receiver: DatagramReceiver | undefined
  #path: UnixSocketPath | undefined

  constructor(handle: Handle, writer: DatagramWriter) {
    this.#handle = handle
    this.#writer = writer
  }

  /** The path that the socket was connected to. */
  get path(): UnixSocketPath | undefined {
    return this.#path
  }

  /** Binds the socket, which must not be bound. */
  bind(path: UnixSocketPath): void {
    const { bytes, display } = resolvePath(path)
    checkListenPermission(bytes, display, false, 'bind')
    const errno = this.#handle.bindDatagrams(bytes)
    if (errno < 0) throw systemError(errno, 'bind', display)
  }

  /** Connects the socket. Messages that were sent before still go to the previous receiver. */
  connect(path: UnixSocketPath): void {
    const receiver = receiverAt(path)
    this.#writer.sendInOrder()
    const errno = this.#handle.connectDatagrams(receiver.bytes)
    if (errno < 0) throw systemError(errno, 'connect', receiver.display, meanings[errno])
    this.#writer.leave(this.#receiver)
    this.#writer.rejoin(receiver)
    this.#receiver = receiver
    this.#path = keepPath(path)
  }

  disconnect(): void {
    this.#writer.sendInOrder()
    const errno = this.#handle.disconnectDatagrams()
    if (errno < 0) throw systemError(errno, 'connect')
    this.#writer.leave(this.#receiver)
    this.#receiver = this.#path = undefined
  }

  /** Connects to the same path again. Returns 0, or a negative errno: `errno` if there is no path. */
  reconnect(errno: number): number {
    return this.#receiver === undefined ? errno : this.#handle.connectDatagrams(this.#receiver.bytes)
  }
}
