/**
 * The open connections of a listener: their count, and their limits in all and for each user.
 *
 * - A connection counts from `add()` until the function that this returned is called, which happens once.
 * - A user has from 1 to `maxConnectionsPerUser` connections, or no entry.
 */
import { type PeerCredentials, peerCredentials } from '../peer.js'
import { type Engine } from './engine.js'

export interface Limits {
  readonly maxConnections: number
  readonly maxConnectionsPerUser: number
  /** What a full listener does with further connections. */
  readonly overflow: 'queue' | 'drop'
}

interface LimitEvents {
  /** Called before a connection that is closed is removed from the count, so that a full listener is still full. */
  onClosed(): void
  /** Called with the peer of a connection that was refused, if the system reports it. Must not throw. */
  onRefused(peer: PeerCredentials | undefined): void
}

interface User {
  open: number
  readonly onClosed: () => void
}

export class ConnectionLimits {
  readonly #engine: Engine
  readonly #limits: Limits
  readonly #events: LimitEvents
  #refused = 0
  #open = 0
  /** By uid; undefined stands for all peers that the system does not identify. Unused without a limit. */
  readonly #users = new Map<number | undefined, User>()
  /** User of the connection that `refuses()` was called for last. */
  #lastUid: number | undefined

  constructor(engine: Engine, limits: Limits, events: LimitEvents) {
    this.#engine = engine
    this.#limits = limits
    this.#events = events
  }

  /** Count of open connections. */
  get open(): number {
    return this.#open
  }

  /** Count of connections that `refuses()` closed. */
  get refused(): number {
    return this.#refused
  }

  get isFull(): boolean {
    return this.#open >= this.#limits.maxConnections
  }

  /** Whether users have a limit. Then `refuses()` has to be called before each `add()`. */
  get areUsersLimited(): boolean {
    return this.#limits.maxConnectionsPerUser !== Infinity
  }

  /** Closes the connection if it is beyond its user's limit; returns whether it did. */
  refuses(id: number): boolean {
    const peer = this.#engine.peer(id)
    this.#lastUid = typeof peer === 'number' ? undefined : peer.uid
    if ((this.#users.get(this.#lastUid)?.open ?? 0) < this.#limits.maxConnectionsPerUser) return false
    this.#engine.close(id)
    this.#refused++
    this.#events.onRefused(credentialsOf(peer))
    return true
  }

  /** Closes a connection that came to a full listener, and returns the peer if the system reports it. */
  drop(id: number): PeerCredentials | undefined {
    const peer = this.#engine.peer(id)
    this.#engine.close(id)
    return credentialsOf(peer)
  }

  /** Counts a connection, and returns the function to call once when it is closed. */
  add(): () => void {
    this.#open++
    if (!this.areUsersLimited) return this.#remove
    const uid = this.#lastUid
    let user = this.#users.get(uid)
    if (user === undefined) {
      user = { open: 0, onClosed: () => this.#removeOf(uid) }
      this.#users.set(uid, user)
    }
    user.open++
    return user.onClosed
  }

  #removeOf(uid: number | undefined): void {
    const user = this.#users.get(uid)
    if (user !== undefined && --user.open === 0) this.#users.delete(uid)
    this.#remove()
  }

  readonly #remove = (): void => {
    this.#events.onClosed()
    this.#open--
  }
}

function credentialsOf(peer: ReturnType<Engine['peer']>): PeerCredentials | undefined {
  return typeof peer === 'number' ? undefined : peerCredentials(peer)
}
