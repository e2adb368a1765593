/**
 * Exhaustion: the process or the system has run out of descriptors or memory, so that a connection cannot be accepted for now. It stays in
 * the kernel's queue.
 */
import { getSystemErrorName } from 'node:util'
import { binding } from './binding.js'
import { monotonicTime } from './scheduling.js'

/** The argument of a listener's 'overload' event. */
export interface Overload {
  /**
   * What ran out: 'EMFILE' descriptors of the process, 'ENFILE' descriptors of the system, 'ENOBUFS' and 'ENOMEM' memory, 'ENOSPC' the
   * descriptors that epoll(7) may watch for the user.
   */
  readonly code: string
  /** Failed attempts to accept since the last event, this one included: 1 or more. */
  readonly failures: number
  /** Open connections of this listener. */
  readonly connections: number
}

/** The least number of milliseconds between two reports. */
const interval = 1000

/** Whether a negative errno reports that descriptors or memory have run out. */
export function isExhaustion(errno: number): boolean {
  return binding().isExhaustion(-errno)
}

/** Counts the exhaustions of a listener, and decides when to report them. */
export class ExhaustionReports {
  #failures = 0
  #last = -Infinity

  /** Counts a failure, and returns the report if one is due. */
  count(errno: number, connections: number): Overload | undefined {
    this.#failures++
    const now = monotonicTime()
    if (now - this.#last < interval) return undefined
    const overload = { code: getSystemErrorName(errno), failures: this.#failures, connections }
    this.#last = now
    this.#failures = 0
    return overload
  }
}
