/**
 * A listening descriptor, and the path that it was bound to by this package.
 *
 * - The file at the path is removed only while the descriptor is open, so that no other file can have its device and inode.
 * - The descriptor is closed once. From then on `accept()` returns only what was taken from the kernel's queue before.
 */
import { constants } from 'node:os'
import { type Held } from '../descriptor.js'
import { type BoundPath } from './bound-path.js'
import { type Engine } from './engine.js'
import { systemError } from './errors.js'
import { Accepted } from './native.js'
import { type Resource } from './resource.js'

const { EBADF } = constants.errno
/** More connections than the kernel's queue holds as a rule (SOMAXCONN); clients may go on connecting without end. */
const mostEarly = 4096

export class ListenHandle {
  readonly engine: Engine
  readonly id: number
  /** The async context of the listener's events. */
  readonly resource: Resource
  /** Undefined for a listener that was inherited, or made by `listenNow`. */
  readonly #bound: BoundPath | undefined
  #refused = 0
  /** Connections accepted ahead of their time, when the kernel's queue had to be given up. */
  #early: number[] = []
  #isClosed = false
  /** Is called for each connection that `allow` does not admit. */
  onRefused: (() => void) | undefined

  constructor(engine: Engine, id: number, resource: Resource, bound?: BoundPath) {
    this.engine = engine
    this.id = id
    this.resource = resource
    this.#bound = bound
  }

  /** Has `receive` get the notes about the path. */
  set onPathNote(receive: (note: number) => void) {
    if (this.#bound !== undefined) this.#bound.onPathNote = receive
  }

  /** Holds a duplicate of the descriptor, for another process. Throws a system error. */
  duplicate(): Held {
    const { driver } = this.engine
    const id = this.#isClosed ? -EBADF : driver.duplicateListener(this.id)
    if (id < 0) throw systemError(id, 'fcntl')
    return { id, fd: driver.descriptorNumber(id) }
  }

  /** Returns the id of the next connection, or a negative errno. */
  accept(): number {
    if (this.#early.length > 0) return this.#early.shift()!
    return this.#isClosed ? Accepted.empty : this.#acceptNow()
  }

  #acceptNow(): number {
    const accepted = this.engine.raw.accept(this.id)
    if (accepted === Accepted.refused) {
      this.#refused++
      this.onRefused?.()
    }
    return accepted
  }

  /** Count of connections that were closed because `allow` does not admit their user or group. */
  get refused(): number {
    return this.#refused
  }

  /** Whether `accept()` would find a connection. Always true once the kernel refuses new clients. */
  get isAcceptable(): boolean {
    return this.#early.length > 0 || (!this.#isClosed && this.engine.driver.isAcceptable(this.id))
  }

  /**
   * Refuses new clients, keeps the connections that wait, and removes the file if `unlinkOnClose` is set.
   *
   * Where the kernel cannot refuse them, and where another process may have the socket, too, the waiting connections are accepted now and
   * the descriptor is closed. On exhaustion, and after a great many connections, it stays open for the remaining ones.
   */
  async stop(): Promise<void> {
    const { engine, id } = this
    const refuses = this.#bound !== undefined && engine.driver.refuseNewcomers(id) >= 0
    const removal = this.#removeFile(this.#bound?.unlinkOnClose)
    if (removal !== undefined) await removal
    if (refuses || this.#isClosed) return
    for (let count = 0; count < mostEarly; count++) {
      const accepted = this.#acceptNow()
      if (accepted >= 0) this.#early.push(accepted)
      else if (accepted === Accepted.empty) return this.#closeDescriptor()
      else if (accepted !== Accepted.refused) return
    }
  }

  /**
   * Closes the descriptor and the connections that wait. With `unlink`, it first removes the file if that is still the listener's own, and
   * keeps the process alive for that. The removal may wait for a lock: clients are refused meanwhile, where the kernel can do that.
   */
  async close(unlink = this.#bound?.unlinkOnClose): Promise<void> {
    const removal = this.#removeFile(unlink)
    if (removal !== undefined) {
      this.engine.driver.refuseNewcomers(this.id)
      await removal
    }
    for (const id of this.#early.splice(0)) this.engine.close(id)
    this.#closeDescriptor()
  }

  /** Closes a listener made by `listenNow`, after removing the file if that is still its own. */
  closeNow(): void {
    this.engine.driver.removeFileNow(this.id)
    this.#closeDescriptor()
  }

  #removeFile(unlink: boolean | undefined): Promise<void> | undefined {
    return unlink === true && !this.#isClosed ? this.#bound?.remove() : undefined
  }

  #closeDescriptor(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.engine.close(this.id)
    this.resource.emitDestroy()
    this.#bound?.forget()
  }
}
