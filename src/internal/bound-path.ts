/** A path that this package has bound: how that is done, what happens to the path afterwards, and the removal of its file. */
import { type Engine } from './engine.js'
import { abortError } from './errors.js'
import { bindError } from './listen-errors.js'
import { Listen, Note, onExistingCodes } from './native.js'
import { type ResolvedPath } from '../path.js'

export class BoundPath {
  readonly #engine: Engine
  /** The request that bound the path; it brings notes about it. */
  readonly #request: number
  readonly unlinkOnClose: boolean
  #removal: Promise<void> | undefined
  #onFileRemoved = (): void => {}
  /** Receives the notes about the path. */
  onPathNote: (note: number) => void = () => {}

  constructor(engine: Engine, request: number, unlinkOnClose: boolean) {
    this.#engine = engine
    this.#request = request
    this.unlinkOnClose = unlinkOnClose
  }

  /** Receives the control plane's notes. */
  onNote(note: number): void {
    if (note === Note.fileRemoved) this.#onFileRemoved()
    else this.onPathNote(note)
  }

  /** Removes the file if it is still the socket's own, which must be open until then. Keeps the process alive for that. */
  remove(): Promise<void> {
    return (this.#removal ??= this.#requestRemoval())
  }

  async #requestRemoval(): Promise<void> {
    const engine = this.#engine
    if (engine.driver.removeFile(this.#request) < 0) return
    engine.ref()
    await new Promise<void>(resolve => {
      this.#onFileRemoved = resolve
    })
    engine.unref()
  }

  /** Ends the notes. The descriptor is closed. */
  forget(): void {
    this.#engine.requests.forget(this.#request)
  }
}

/** How to bind. */
export interface BindSettings {
  readonly backlog: number
  readonly mode: number | undefined
  readonly onExisting: 'error' | 'replaceStale' | 'takeOver'
  readonly unlinkOnClose: boolean
  readonly signal: AbortSignal | undefined
  /** Whether descriptors that come unasked are closed, and not refused. */
  readonly discards: boolean
  /** Whether every datagram comes with its sender's credentials, from the first on. */
  readonly credentials?: boolean | undefined
  readonly typeName: 'stream' | 'seqpacket' | 'datagram'
}

const typeFlags = { stream: 0, seqpacket: Listen.packets, datagram: Listen.datagrams }

/** Binds a new socket on the control plane. Resolves with its id; after a rejection no file, lock or descriptor is left. */
export function bindPath(
  engine: Engine,
  address: ResolvedPath,
  settings: BindSettings,
): Promise<{ id: number; bound: BoundPath }> {
  const { backlog, mode, onExisting, unlinkOnClose, signal, discards, credentials, typeName } = settings
  return new Promise((resolve, reject) => {
    let bound: BoundPath | undefined
    const onAbort = (): void => void engine.driver.cancelListen(request)
    const settle = (answer: number): void => {
      signal?.removeEventListener('abort', onAbort)
      if (answer >= 0) {
        bound = new BoundPath(engine, request, unlinkOnClose)
        resolve({ id: answer, bound })
      } else {
        reject(signal?.aborted ? abortError(signal) : bindError(answer, address, onExisting, typeName))
      }
    }
    const flags =
      (unlinkOnClose ? Listen.unlinking : 0) +
      (discards ? Listen.discarding : 0) +
      (credentials ? Listen.credentials : 0) +
      typeFlags[typeName]
    const { bytes } = address
    const request = engine.requests.start(
      number => engine.driver.listen(number, bytes, backlog, mode ?? -1, onExistingCodes[onExisting], flags),
      settle,
      note => bound?.onNote(note),
    )
    if (request < 0) settle(request)
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
