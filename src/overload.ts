import { constants } from 'node:os'
import { getSystemErrorName } from 'node:util'

/** What the 'overload' event of a listener says. */
export interface Overload {
  /** What ran out: 'EMFILE' descriptors of the process, 'ENFILE' of the system, 'ENOBUFS' and 'ENOMEM' memory, 'ENOSPC' what epoll(7) may watch for the user. */
  readonly code: string
  /** Attempts to accept that failed since the last event, this one included: 1 or more. */
  readonly failures: number
  /** Connections of this listener that are open. */
  readonly connections: number
}

const { EBUSY, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC } = constants.errno
const shortages: ReadonlySet<number> = new Set([-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ENOSPC])
/** What `accept()` answers during the pause that follows a shortage: the kernel was not asked. */
export const stillPaused = -EBUSY
/** Milliseconds between two reports at least. */
const interval = 1000

/** Does a negative errno say that descriptors or memory have run out, which passes? */
export function isShortage(errno: number): boolean {
  return shortages.has(errno)
}

/** Counts the failures of a listener, and says when to report them. */
export class OverloadReports {
  #failures = 0
  #last = -Infinity

  /** One more failure; the report, if one is due. */
  count(errno: number, connections: number): Overload | undefined {
    this.#failures++
    const now = performance.now()
    if (now - this.#last < interval) return undefined
    const overload = { code: getSystemErrorName(errno), failures: this.#failures, connections }
    this.#last = now
    this.#failures = 0
    return overload
  }
}
