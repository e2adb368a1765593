/**
 * Makes accessors assignable, as the plain properties of node:net's sockets are.
 */

/** Makes the accessors `names` of `prototype` assignable: an object that one was assigned to has an own property of that name. */
export function makeAssignable(prototype: object, names: readonly string[]): void {
  for (const name of names) {
    const get = Object.getOwnPropertyDescriptor(prototype, name)!.get!
    Object.defineProperty(prototype, name, {
      configurable: true,
      get,
      set(this: object, value: unknown) {
        // As an assignment does where the prototype has no accessor of that name.
        Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true })
      },
    })
  }
}
