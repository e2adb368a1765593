import { type AsyncResource } from 'node:async_hooks'
import { constants } from 'node:os'
import { type SocketOptions } from './connection.js'
import { type Engine, Note } from './engine.js'
import { type UnixSocketPath } from './path.js'

/** What a listener does at its `maxConnections`, in the words of `ListenOptions`. */
export const overflowValues = ['queue', 'drop'] as const

export interface Limits {
  readonly maxConnections: number
  readonly overflow: (typeof overflowValues)[number]
}

/** What a listener that was bound here has of its path. */
interface Claim {
  readonly request: number
  readonly unlinkOnClose: boolean
}

/** What `accept()` answers when nobody waits. */
export const nobodyThere = -constants.errno.EAGAIN
/** What it answers when somebody came whom `allow` does not name, and was closed. */
export const notAllowed = -constants.errno.ECONNREFUSED

/** More than wait in the kernel's queue, as a rule (SOMAXCONN), while others that come may be without end. */
const mostEarly = 4096

/** What the package makes a listener of; nobody else can. */
export class Listening {
  readonly engine: Engine
  readonly id: number
  readonly options: SocketOptions
  readonly limits: Limits
  readonly resource: AsyncResource
  readonly path: UnixSocketPath
  readonly display: string
  /** None for an inherited one. */
  readonly #claim: Claim | undefined
  #refused = 0
  /** Accepted ahead of their time: who waited when the kernel's queue had to be given up. */
  #early: number[] = []
  #removal: Promise<void> | undefined
  #isClosed = false
  /** Hears what becomes of the path. */
  onPathNote: (note: number) => void = () => {}
  #onFileRemoved = (): void => {}

  constructor(
    engine: Engine,
    id: number,
    options: SocketOptions,
    limits: Limits,
    resource: AsyncResource,
    path: UnixSocketPath,
    display: string,
    claim?: Claim,
  ) {
    this.engine = engine
    this.id = id
    this.options = options
    this.limits = limits
    this.resource = resource
    this.path = path
    this.display = display
    this.#claim = claim
  }

  /** What the control plane has to say of it. */
  onNote(note: number): void {
    if (note === Note.fileRemoved) this.#onFileRemoved()
    else this.onPathNote(note)
  }

  /** The id of the next connection, or a negative errno. */
  accept(): number {
    const early = this.#early.shift()
    if (early !== undefined) return early
    return this.#isClosed ? nobodyThere : this.#acceptNow()
  }

  #acceptNow(): number {
    const accepted = this.engine.raw.accept(this.id)
    if (accepted === notAllowed) this.#refused++
    return accepted
  }

  /** Connections that were closed because `allow` does not name their user or group. */
  get refused(): number {
    return this.#refused
  }

  /** Would `accept()` find a connection? Always true once the kernel refuses newcomers. */
  get isAcceptable(): boolean {
    return this.#early.length > 0 || (!this.#isClosed && this.engine.reactor.isAcceptable(this.id))
  }

  /**
   * Refuses newcomers, keeps those who wait, and removes the file if that is to be.
   *
   * Where that cannot be had of the kernel, and where the socket may be somebody else's, too, those who wait now are taken and
   * the descriptor is closed; in a shortage, and after a great many, it stays open for who is left.
   */
  async stop(): Promise<void> {
    const { engine, id } = this
    const refuses = this.#claim !== undefined && engine.reactor.refuseNewcomers(id) >= 0
    const removal = this.#removeFile(this.#claim?.unlinkOnClose)
    if (removal !== undefined) await removal
    if (refuses || this.#isClosed) return
    for (let count = 0; count < mostEarly; count++) {
      const accepted = this.#acceptNow()
      if (accepted >= 0) this.#early.push(accepted)
      else if (accepted === nobodyThere) return this.#closeDescriptor()
      else if (accepted !== notAllowed) return
    }
  }

  /**
   * Closes the descriptor, after removing the file if that is to be and it is still its own; keeps the process alive for
   * that. Who waits is closed, too.
   */
  async close(unlink = this.#claim?.unlinkOnClose): Promise<void> {
    const removal = this.#removeFile(unlink)
    if (removal !== undefined) await removal
    for (const id of this.#early.splice(0)) this.engine.close(id)
    this.#closeDescriptor()
  }

  /** While the descriptor is open, so that no other file can have its device and inode. */
  #removeFile(unlink: boolean | undefined): Promise<void> | undefined {
    const claim = this.#claim
    if (claim === undefined || unlink !== true || this.#isClosed) return undefined
    return (this.#removal ??= this.#askForRemoval(claim))
  }

  async #askForRemoval(claim: Claim): Promise<void> {
    const { engine } = this
    if (engine.reactor.removeFile(claim.request) < 0) return
    engine.hold()
    await new Promise<void>(resolve => {
      this.#onFileRemoved = resolve
    })
    engine.release()
  }

  #closeDescriptor(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.engine.close(this.id)
    if (this.#claim !== undefined) this.engine.forget(this.#claim.request)
  }
}
