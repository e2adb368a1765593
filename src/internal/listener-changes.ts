/** Notifies an emitter of the listeners that users add to it and remove from it. */
import { type EventEmitter } from 'node:events'

/** Is called after a listener of `event` was added, or without an event after one was removed. */
export const onListenersChange = Symbol('onListenersChange')

interface Watching extends EventEmitter {
  [onListenersChange](event?: string | symbol): void
}

const adding = ['on', 'addListener', 'prependListener'] as const
const removing = ['off', 'removeListener', 'removeAllListeners'] as const
type Name = (typeof adding)[number] | (typeof removing)[number]
type Method = (this: Watching, event: string | symbol, ...others: unknown[]) => unknown

/** Has the methods of `prototype` that add and remove listeners call `[onListenersChange]`. Their types stay those of EventEmitter. */
export function watchListeners(prototype: Watching): void {
  for (const name of adding) replace(prototype, name, true)
  for (const name of removing) replace(prototype, name, false)
}

function replace(prototype: Watching, name: Name, adds: boolean): void {
  const inherited = prototype[name] as Method
  const { [name]: replacement } = {
    [name](this: Watching, ...given: Parameters<Method>): unknown {
      const result = inherited.apply(this, given)
      this[onListenersChange](adds ? given[0] : undefined)
      return result
    },
  }
  Object.defineProperty(prototype, name, { value: replacement, writable: true, configurable: true })
}
