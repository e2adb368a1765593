const getter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'byteLength')!

/** The length that the engine knows; `length` may be anything that somebody made a property of. */
export function byteLength(bytes: Uint8Array): number {
  return getter.get!.call(bytes) as number
}

/** `bytes`, or a copy whose `length` is true. */
export function truthful(bytes: Uint8Array): Uint8Array {
  return bytes.length === byteLength(bytes) ? bytes : new Uint8Array(bytes)
}
