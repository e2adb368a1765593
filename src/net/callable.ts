type Class = abstract new (...args: never[]) => object

/**
 * The class, which may be called without `new`, too. It cannot initialise somebody else's object, as in
 * `Socket.call(this)`: its fields are private. Derive with `class ... extends`.
 */
export function callable<Type extends Class>(type: Type, name: string): Type {
  function make(this: unknown, ...args: unknown[]): object {
    if (new.target === undefined && this instanceof (make as unknown as Class))
      throw new TypeError(`${name} cannot be called on an object: derive by 'class ... extends ${name}'`)
    return Reflect.construct(type, args, new.target ?? make) as object
  }
  Object.setPrototypeOf(make, type)
  Object.defineProperty(make, 'name', { value: name })
  make.prototype = type.prototype
  Object.defineProperty(type.prototype, 'constructor', { value: make })
  return make as unknown as Type
}
