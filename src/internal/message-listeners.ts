/**
 * The 'message' listeners of a message socket, and the promises that they return: a socket ends itself only after the last
 * answer.
 */
import { type EventEmitter } from 'node:events'
import { type MessageInfo } from './message-info.js'

type Listener = (message: Buffer, info: MessageInfo) => unknown

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

/** Calls the 'message' listeners of an emitter, and counts the promises that they returned and that have not settled. */
export class MessageListeners {
  readonly #emitter: EventEmitter
  readonly #onAllSettled: () => void
  readonly #onRejection: (reason: unknown) => void
  /** Kept over many messages, because `rawListeners()` copies. See `framed-64`. */
  #listeners: readonly Listener[] | undefined
  #unsettled = 0

  /** `onRejection` gets the reason with which a listener's promise was rejected. */
  constructor(emitter: EventEmitter, onAllSettled: () => void, onRejection: (reason: unknown) => void) {
    this.#emitter = emitter
    this.#onAllSettled = onAllSettled
    this.#onRejection = onRejection
  }

  /** Takes notice of a new or removed listener. */
  refresh(): void {
    this.#listeners = undefined
  }

  /** Whether every promise that a listener returned has settled. */
  get haveSettled(): boolean {
    return this.#unsettled === 0
  }

  /** Does what `emit('message', message, info)` does, which would drop what listeners return. */
  call(message: Buffer, info: MessageInfo): void {
    this.#listeners ??= this.#emitter.rawListeners('message') as Listener[]
    if (this.#listeners.length === 0) for (const descriptor of info.descriptors) descriptor.close()
    for (const listener of this.#listeners) {
      const result = listener.call(this.#emitter, message, info)
      if (isThenable(result)) this.#await(result)
    }
  }

  #await(result: PromiseLike<unknown>): void {
    this.#unsettled++
    void Promise.resolve(result).then(this.#settled, this.#rejected)
  }

  readonly #settled = (): void => {
    if (--this.#unsettled === 0) this.#onAllSettled()
  }

  readonly #rejected = (reason: unknown): void => {
    this.#onRejection(reason)
    this.#settled()
  }
}
