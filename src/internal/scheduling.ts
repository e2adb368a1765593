/**
 * The timers, immediates, ticks and clock of the package. They are Node's own, so that a test's fake timers (jest, vitest, sinon,
 * node:test) stop no connection. They do not stop node:net either.
 */
import { hrtime as processHrtime, nextTick as processNextTick } from 'node:process'
import {
  clearImmediate as nodeClearImmediate,
  clearInterval as nodeClearInterval,
  clearTimeout as nodeClearTimeout,
  setImmediate as nodeSetImmediate,
  setInterval as nodeSetInterval,
  setTimeout as nodeSetTimeout,
} from 'node:timers'

// Fake timers may replace the members of the module later.
export const clearImmediate = nodeClearImmediate
export const clearInterval = nodeClearInterval
export const clearTimeout = nodeClearTimeout
export const setImmediate = nodeSetImmediate
export const setInterval = nodeSetInterval
export const setTimeout = nodeSetTimeout
export const nextTick = processNextTick

/** The longest delay of a timer, in milliseconds. */
export const longestDelay = 2 ** 31 - 1

const hrtime = processHrtime

/** Returns the milliseconds of a clock that never goes back. Unlike `performance.now()` it loads no module of Node. */
export function monotonicTime(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
