import { Duplex } from 'node:stream'
import { invalidType } from '../errors.js'

const normalized = Symbol('normalized')

export type Callback = (...args: unknown[]) => void
export type Options = Record<string, unknown>
export type NormalizedArguments = [options: Options, callback: Callback | null]

/** Node's reading of a port: a number from 0 up, whatever it is written as. */
function asNumber(value: unknown): number | undefined {
  const number = Number(value)
  return number >= 0 ? number : undefined
}

/** Is this a path, and no port, in Node's eyes? */
export function isPathName(value: unknown): value is string {
  return typeof value === 'string' && asNumber(value) === undefined
}

/**
 * The arguments of `connect()` and `listen()`, in all their forms, as options and a callback: options; a path; a port and a
 * host.
 */
export function normalizeArguments(args: readonly unknown[]): NormalizedArguments {
  const [first, second] = args
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (last as Callback) : null
  let options: Options = {}
  if (typeof first === 'object' && first !== null) options = first as Options
  else if (isPathName(first)) options = { path: first }
  else if (args.length > 0)
    options = typeof second === 'string' ? { port: first, host: second } : { port: first }
  const pair: NormalizedArguments = [options, callback]
  return Object.defineProperty(pair, normalized, { value: true })
}

/** The arguments, which may have been normalized already. */
export function optionsOf(args: readonly unknown[]): NormalizedArguments {
  const [first] = args
  const isNormalized = Array.isArray(first) && normalized in first
  return isNormalized ? (first as unknown as NormalizedArguments) : normalizeArguments(args)
}

/** The backlog behind a path: `listen(path, backlog)`. */
export function backlogOf(options: Options, args: readonly unknown[]): number {
  const backlog = options['backlog'] || asNumber(args[1]) || asNumber(args[2])
  if (!backlog) return 511
  const number = Math.trunc(Number(backlog))
  // The kernel takes a negative one for the largest.
  return number >= 0 && number < 2 ** 31 ? number : 2 ** 31 - 1
}

/** A string with a leading zero byte is an abstract name; a relative path is the kernel's to resolve. */
export function addressOf(path: string): Uint8Array {
  return Buffer.from(path)
}

/** What a stream of Node buffers when it is not told. */
export function defaultHighWaterMark(): number {
  return new Duplex().readableHighWaterMark
}

export function validateNumber(name: string, value: unknown): asserts value is number | undefined {
  if (value !== undefined && typeof value !== 'number') throw invalidType(name, 'a number', value)
}
