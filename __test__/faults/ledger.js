// What came of each promise that the package made: kept exactly, broken with an error that somebody saw, or neither.
import { readdirSync } from 'node:fs'

/** Milliseconds in which everything is over, one way or the other. */
const patience = 10_000

export const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** The open descriptors of this process. The listing itself has one open. */
export const descriptors = () => readdirSync('/proc/self/fd').length - 1

export class Ledger {
  /** Streams, messages and connections that were all that they should be. */
  exact = 0
  /** By operation and code: errors that reached their owner. */
  surfaced = {}
  /** Streams that ended early without an error at this end: somebody else must have seen one. */
  cut = 0
  /** Connections on which an accepting end saw an error. */
  failedPeers = 0
  uncaught = 0
  /** What must not be. */
  broken = []

  fail(operation, error) {
    const key = `${operation} ${error.code ?? error}`
    this.surfaced[key] = (this.surfaced[key] ?? 0) + 1
    // A bug in the test has no code.
    if (error.code === undefined || error.code === 'ERR_INTERNAL')
      this.broken.push(`${operation}: ${error.stack}`)
  }

  /** `promise`, which may take so long and no longer; undefined after that. */
  async inTime(what, promise) {
    let timer
    const late = new Promise(resolve => {
      timer = setTimeout(() => {
        this.broken.push(`hangs: ${what}`)
        resolve(undefined)
      }, patience)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Everybody has settled: does it add up? `ends`: ends of stream that nobody sent. */
  close(ends = 0) {
    if (this.cut > this.failedPeers + ends)
      this.broken.push(`lost in silence: ${this.cut} streams were cut, ${this.failedPeers} peers failed`)
  }
}

/** A number generator of its own, from 0 up to and without 1, so that a seed says everything. */
export function randomOf(seed) {
  let state = (seed ^ 0x9e3779b9) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
