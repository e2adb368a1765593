/** Wraps methods so that the errors which they throw name the caller. */
import { atCaller } from '../internal/errors.js'

/** Makes the stacks of errors that the methods `names` throw begin at the caller. */
export function throwAtCaller<T extends object>(prototype: T, ...names: (keyof T & string)[]): void {
  for (const name of names) {
    const method = prototype[name] as (...args: unknown[]) => unknown
    const { [name]: replacement } = {
      [name](this: T, ...args: unknown[]): unknown {
        try {
          return method.apply(this, args)
        } catch (error) {
          throw atCaller(error, replacement!)
        }
      },
    }
    Object.defineProperty(prototype, name, { value: replacement, writable: true, configurable: true })
  }
}
