import { invalidType, invalidValue, outOfRange } from './errors.js'

/** An options bag, or none. */
export function validateOptions(options: unknown): asserts options is Record<string, unknown> | undefined {
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw invalidType('options', 'an object', options)
  }
}

export function validateSignal(signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal === undefined) return
  if (
    typeof signal !== 'object' ||
    signal === null ||
    !('aborted' in signal) ||
    !('addEventListener' in signal)
  ) {
    throw invalidType('options.signal', 'an AbortSignal', signal)
  }
}

export function validateBoolean(name: string, value: unknown): asserts value is boolean | undefined {
  if (value !== undefined && typeof value !== 'boolean') throw invalidType(name, 'a boolean', value)
}

export function validateInteger(
  name: string,
  value: unknown,
  smallest: number,
  largest: number,
): asserts value is number | undefined {
  if (value === undefined) return
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (!Number.isInteger(value) || value < smallest || value > largest) {
    throw outOfRange(name, `an integer from ${smallest} to ${largest}`, value)
  }
}

export function validateOneOf<T extends string>(
  name: string,
  value: unknown,
  known: readonly T[],
): asserts value is T | undefined {
  if (value === undefined) return
  if (typeof value !== 'string') throw invalidType(name, 'a string', value)
  if (!known.includes(value as T)) throw invalidValue(name, `it is none of '${known.join("', '")}'`)
}

/** Milliseconds; Infinity is no limit. */
export function validateMilliseconds(name: string, value: unknown): asserts value is number | undefined {
  if (value === undefined) return
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (Number.isNaN(value) || value < 0) throw outOfRange(name, '0 or more milliseconds', value)
}

/** A finite time, as timers take it. */
export function validateTimeout(name: string, value: unknown): asserts value is number {
  if (value === undefined) throw invalidType(name, 'a number', value)
  validateMilliseconds(name, value)
  if (value === Infinity) throw outOfRange(name, 'a finite number', value)
}

export function validateFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidType(name, 'a function', value)
}
