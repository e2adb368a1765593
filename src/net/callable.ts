/**
 * Makes classes callable without `new`, as node:net's functions are.
 */
import { atCaller } from '../internal/errors.js'

type Class = abstract new (...args: never[]) => object

/** An object of the caller's own function, which a constructor initializes instead of a new one. */
export class Existing {
  readonly object: object

  constructor(object: object) {
    this.object = object
  }
}

/**
 * Returns a form of the class that may be called without `new`. Called alone it makes an object; called on an object that inherits from it
 * (`Socket.call(this)` after `util.inherits`) it initializes that object.
 *
 * The class gets such an object as its last argument, an `Existing`. One of its base classes returns the object from its constructor, and must
 * have no private fields: a class gives its private fields to the object that `super()` returns.
 */
export function callable<Type extends Class>(type: Type, name: string): Type {
  function make(this: unknown, ...args: unknown[]): object {
    try {
      if (new.target !== undefined || !(this instanceof (make as unknown as Class)))
        return Reflect.construct(type, args, new.target ?? make) as object
      args.length = type.length
      args[type.length - 1] = new Existing(this)
      return Reflect.construct(type, args) as object
    } catch (error) {
      throw atCaller(error, make)
    }
  }
  Object.setPrototypeOf(make, type)
  Object.defineProperty(make, 'name', { value: name })
  make.prototype = type.prototype
  Object.defineProperty(type.prototype, 'constructor', { value: make })
  return make as unknown as Type
}
