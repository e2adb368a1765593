import { isNode } from './runtimes.js'
type Members = Record<string, unknown>

/** Other runtimes' node:test has no mock timers. */
const timers = isNode ? (await import('node:test')).mock.timers : undefined

/** The timers and the clock as fake timers of a test leave them: nothing is ever called, and no time passes. */
const frozen: Members = {
  setTimeout: () => 0,
  setInterval: () => 0,
  setImmediate: () => 0,
  clearTimeout: () => {},
  clearInterval: () => {},
  clearImmediate: () => {},
  queueMicrotask: () => {},
}

/** Sets members, and returns what restores them. */
function replace(object: object, members: Members): () => void {
  const before = Object.fromEntries(Object.keys(members).map(name => [name, (object as Members)[name]]))
  Object.assign(object, members)
  return () => void Object.assign(object, before)
}

/** Runs `work` while node:test, where the runtime has it, and then every other global of time is faked. */
export async function withFakeTimers(work: () => Promise<unknown>): Promise<void> {
  timers?.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
  const restoreGlobals = replace(globalThis, frozen)
  const restoreClock = replace(performance, { now: () => 0 })
  try {
    await work()
  } finally {
    restoreClock()
    restoreGlobals()
    timers?.reset()
  }
}
