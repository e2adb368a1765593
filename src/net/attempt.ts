import { constants } from 'node:os'
import { type Engine } from '../engine.js'

const backlogFull = -constants.errno.EAGAIN

/** An attempt to connect. `done` gets the connection's id or a negative errno, never before the event loop has its turn. */
export class Attempt {
  readonly #engine: Engine
  readonly #done: (idOrErrno: number) => void
  #giveUp: (() => void) | undefined

  constructor(engine: Engine, address: Uint8Array, done: (idOrErrno: number) => void) {
    this.#engine = engine
    this.#done = done
    const { reactor } = engine
    const outcome = reactor.tryConnect(address)
    if (outcome !== backlogFull) {
      this.#settleSoon(outcome)
      return
    }
    const request = engine.request(number => reactor.connect(number, address, -1), this.#settle)
    if (request < 0) this.#settleSoon(request)
    else this.#giveUp = () => engine.forget(request)
  }

  #settleSoon(outcome: number): void {
    const immediate = setImmediate(this.#settle, outcome)
    this.#giveUp = () => {
      clearImmediate(immediate)
      if (outcome >= 0) this.#engine.close(outcome)
    }
  }

  readonly #settle = (outcome: number): void => {
    this.#giveUp = undefined
    this.#done(outcome)
  }

  /** Gives it up, if it is not done. */
  cancel(): void {
    this.#giveUp?.()
    this.#giveUp = undefined
  }
}
