/**
 * Waits for a listener that does not exist yet: for `connect()` with `waitForListener`.
 *
 * - Attempts are made when the directory reports a change of the file, and at growing intervals: a process that has bound the path may not
 *   listen yet, abstract names have no file, and not every change is reported.
 * - Whatever the outcome, no watch, timer or listener of the signal is left.
 */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { waiting } from './diagnostics.js'
import { abortError } from './errors.js'
import { clearTimeout, monotonicTime, setTimeout } from './scheduling.js'

/** Milliseconds between two attempts: the first, and the most. Each is twice the one before. */
const shortest = 5
const longest = 250

/** What `connect()` reports where no process listens. */
const absent = new Set<unknown>(['ENOENT', 'ECONNREFUSED'])

export interface ListenerWait {
  /** For the kernel. */
  readonly address: Uint8Array
  /** Milliseconds; Infinity: no limit. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/**
 * Calls `attempt` with the milliseconds that are left, until it succeeds, fails for another reason than that no process listens, or the
 * time is over. Rejects with the last error of `attempt`, or with an AbortError.
 */
export async function untilListening<T>(
  { address, timeout, signal }: ListenerWait,
  attempt: (left: number) => Promise<T>,
): Promise<T> {
  const deadline = monotonicTime() + timeout
  const pause = new Pause(address, signal)
  try {
    for (;;) {
      try {
        return await attempt(Math.max(0, deadline - monotonicTime()))
      } catch (error) {
        const left = deadline - monotonicTime()
        if (!absent.has((error as { code?: unknown }).code) || left <= 0) throw error
        waiting(address, 'listener', error)
        await pause.wait(left)
      }
    }
  } finally {
    pause.close()
  }
}

/** The pauses between attempts. */
class Pause {
  readonly #signal: AbortSignal | undefined
  readonly #address: Uint8Array
  #watcher: FSWatcher | undefined
  #delay = shortest
  /** Whether the file has changed since the last pause began. */
  #hasChanged = false
  #wake = (): void => {}

  constructor(address: Uint8Array, signal: AbortSignal | undefined) {
    this.#address = address
    this.#signal = signal
  }

  /** Waits for a change of the file, at most `left` milliseconds. Rejects with an AbortError. */
  async wait(left: number): Promise<void> {
    // The file may have appeared before the watch began: the first pause is short.
    if (this.#watcher === undefined) this.#watch()
    const signal = this.#signal
    if (!this.#hasChanged && signal?.aborted !== true) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, Math.min(this.#delay, left))
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
        signal?.addEventListener('abort', this.#wake, { once: true })
      })
      signal?.removeEventListener('abort', this.#wake)
    }
    if (signal?.aborted) throw abortError(signal)
    this.#delay = this.#hasChanged ? shortest : Math.min(2 * this.#delay, longest)
    this.#hasChanged = false
  }

  #watch(): void {
    if (this.#address[0] === 0) return
    const path = Buffer.from(this.#address).toString()
    const name = basename(path)
    try {
      // The timer keeps the process alive.
      const watcher = watch(dirname(path), { persistent: false }, (_event, file) => {
        if (file !== null && file !== name) return
        this.#hasChanged = true
        this.#wake()
      })
      watcher.on('error', () => this.close())
      this.#watcher = watcher
    } catch {
      // There is no directory yet, or no permission to read it, or no watch left. The next pause tries again.
    }
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }
}
