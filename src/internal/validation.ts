/**
 * Checks the arguments of public functions. It owns the rules that several options share, and `OptionSet`, by which a public
 * function declares its options.
 *
 * Each function checks its arguments first, then its state, and then works. Nothing here has a side effect.
 */
import { invalidOption, invalidType, invalidValue, outOfRange } from './errors.js'

/** Throws unless `value`, which is not undefined, is valid for the option `name`. */
export type Rule = (name: string, value: unknown) => void

/** A rule for each option of `Options`. */
export type Rules<Options> = { readonly [Name in keyof Required<Options>]: Rule }

const none = Object.freeze({})

/**
 * The options of one public function: their names, and a rule for each.
 *
 * An option without a rule is refused: `{ allowed: 'self' }`, a typing error for `allow`, must not admit every user. An option
 * whose value is undefined counts as absent, known or not.
 */
export class OptionSet<Options extends object> {
  /** The function as error texts name it, such as `listen()`. */
  readonly #owner: string
  readonly #rules: ReadonlyMap<string, Rule>

  constructor(owner: string, rules: Rules<Options>) {
    this.#owner = owner
    this.#rules = new Map(Object.entries<Rule>(rules))
  }

  /**
   * Returns a checked copy, which the caller cannot change any more. `name` is the name of the options in error texts.
   *
   * @throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_INVALID_ARG_VALUE.
   */
  read(options: unknown, name = 'options'): Options {
    validateOptions(options, name)
    if (options === undefined) return none as Options
    const copy: Record<string, unknown> = {}
    this.#refuseUnknown(options, name)
    for (const [key, rule] of this.#rules) {
      const value = options[key]
      if (value === undefined) continue
      rule(`${name}.${key}`, value)
      copy[key] = value
    }
    return copy as Options
  }

  #refuseUnknown(options: Record<string, unknown>, name: string): void {
    // Inherited options count, because `read` takes them as well.
    for (const key in options) {
      if (this.#rules.has(key) || key in Object.prototype || options[key] === undefined) continue
      throw invalidOption(`${name}.${key}`, this.#owner, this.#suggestion(key))
    }
  }

  /** Returns what to write instead of `key`: the nearest option, or all of them if none is near. */
  #suggestion(key: string): string {
    const known = [...this.#rules.keys()]
    const ranked = known.map(other => ({ other, distance: editDistance(key, other) }))
    const nearest = ranked.reduce((best, next) => (next.distance < best.distance ? next : best))
    return nearest.distance <= Math.max(2, key.length / 2)
      ? `did you mean '${nearest.other}'?`
      : `its options are '${known.join("', '")}'`
  }
}

/** Returns the edits that turn one word into the other, ignoring case; 1 where one word contains the other. */
function editDistance(one: string, other: string): number {
  const shortFirst = one.length < other.length
  const short = (shortFirst ? one : other).toLowerCase()
  const long = (shortFirst ? other : one).toLowerCase()
  if (short === long) return 0
  if (short.length > 2 && long.includes(short)) return 1
  let previous = Array.from({ length: short.length + 1 }, (_, index) => index)
  for (let row = 1; row <= long.length; row++) {
    const current = [row]
    for (let column = 1; column <= short.length; column++) {
      const replaced = previous[column - 1]! + (long[row - 1] === short[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1))
    }
    previous = current
  }
  return previous[short.length]!
}

// Arguments.

/** Accepts an object, or undefined. */
export function validateOptions(
  options: unknown,
  name = 'options',
): asserts options is Record<string, unknown> | undefined {
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw invalidType(name, 'an object', options)
  }
}

/** Accepts a signal, or undefined. A signal of another realm or of a polyfill is one, too. */
export function validateSignal(name: string, signal: unknown): asserts signal is AbortSignal | undefined {
  if (signal === undefined) return
  if (
    typeof signal !== 'object' ||
    signal === null ||
    !('aborted' in signal) ||
    !('addEventListener' in signal)
  ) {
    throw invalidType(name, 'an AbortSignal', signal)
  }
}

export function validateInteger(
  name: string,
  value: unknown,
  smallest: number,
  largest: number,
): asserts value is number {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (!Number.isInteger(value) || value < smallest || value > largest) {
    throw outOfRange(name, `an integer from ${smallest} to ${largest}`, value)
  }
}

/** Accepts a number of milliseconds as timers take it: 0 or more, and finite. */
export function validateTimeout(name: string, value: unknown): asserts value is number {
  milliseconds(name, value)
  if (value === Infinity) throw outOfRange(name, 'a finite number', value)
}

export function validateFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidType(name, 'a function', value)
}

// Rules of options.

export const aSignal: Rule = validateSignal

export function aBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean', value)
}

/** Accepts a number of milliseconds, 0 or more; Infinity is no limit. */
export function milliseconds(name: string, value: unknown): void {
  if (typeof value !== 'number') throw invalidType(name, 'a number', value)
  if (Number.isNaN(value) || value < 0) throw outOfRange(name, '0 ms or more', value)
}

export function integer(smallest: number, largest: number): Rule {
  return (name, value) => validateInteger(name, value, smallest, largest)
}

/** Accepts the permission bits of a file. */
export function permissionBits(name: string, value: unknown): void {
  if (typeof value !== 'number') throw invalidType(name, 'a number, such as 0o600', value)
  if (!Number.isInteger(value) || value < 0 || value > 0o777)
    throw outOfRange(name, 'an octal number from 0 to 0o777, such as 0o600', value)
}

export function oneOf(...known: string[]): Rule {
  return (name, value) => {
    if (typeof value !== 'string') throw invalidType(name, 'a string', value)
    if (!known.includes(value))
      throw invalidValue(name, `it must be one of '${known.join("', '")}', not '${value}'`)
  }
}
