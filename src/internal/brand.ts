/**
 * Brands tell objects of this package from other objects. All copies of the package share them, unlike classes.
 */

/** Returns whether `value` has `brand`. Never throws, whatever `value` is. */
export function hasBrand(value: unknown, brand: symbol): boolean {
  try {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true
  } catch {
    return false
  }
}
