/**
 * The arguments of `connect()` and `listen()` in all the forms that node:net accepts. They are converted, ignored and refused as node:net
 * does it, with the same errors. Source: lib/net.js of Node 20 to 26.
 */
import { Duplex } from 'node:stream'
import { invalidType } from '../internal/errors.js'
import { addressMissing, badPort, tcpRefused } from './errors.js'

const normalized = Symbol('normalized')

export type Callback = (...args: unknown[]) => void
export type Options = Record<string, unknown>
export type NormalizedArguments = [options: Options, callback: Callback | null]

/** Returns a value as Node reads a port: any text or value that converts to a number of 0 or more; else undefined. */
function asNumber(value: unknown): number | undefined {
  const number = Number(value)
  return number >= 0 ? number : undefined
}

/** Whether Node reads the value as a path, not as a port. */
export function isPathName(value: unknown): value is string {
  return typeof value === 'string' && asNumber(value) === undefined
}

/** Returns the arguments as options and a callback. Their forms are options; a path; a port and a host. */
export function normalizeArguments(args: readonly unknown[]): NormalizedArguments {
  const [first, second] = args
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (last as Callback) : null
  let options: Options = {}
  if (typeof first === 'object' && first !== null) options = first as Options
  else if (isPathName(first)) options = { path: first }
  else if (args.length > 0)
    options = typeof second === 'string' ? { port: first, host: second } : { port: first }
  const pair: NormalizedArguments & { [normalized]?: true } = [options, callback]
  pair[normalized] = true
  return pair
}

/** Returns the arguments as options and a callback, also if they are normalized already. */
export function optionsOf(args: readonly unknown[]): NormalizedArguments {
  const [first] = args
  const isNormalized = Array.isArray(first) && normalized in first
  return isNormalized ? (first as unknown as NormalizedArguments) : normalizeArguments(args)
}

/** Returns the path to connect to. Refuses a port, with node:net's error if node:net refuses the port as well. */
export function pathOf({ path, port }: Options): string {
  if (port === undefined && (path === undefined || path === null)) throw addressMissing()
  if (path) {
    if (typeof path !== 'string') throw invalidType('options.path', 'a string', path)
    return path
  }
  if (port !== undefined && typeof port !== 'number' && typeof port !== 'string')
    throw invalidType('options.port', 'a number or a string', port)
  validatePort('Port', port)
  throw tcpRefused()
}

/** Returns the backlog, which is an option or the argument behind the path: `listen(path, backlog)`. */
export function backlogOf(options: Options, args: readonly unknown[]): number {
  const backlog = options['backlog'] || asNumber(args[1]) || asNumber(args[2])
  if (!backlog) return 511
  const number = Math.trunc(Number(backlog))
  // The kernel reads a negative backlog as the largest one.
  return number >= 0 && number < 2 ** 31 ? number : 2 ** 31 - 1
}

/** Returns the address of a path. A leading zero byte makes an abstract name. The kernel resolves a relative path. */
export function addressOf(path: string): Uint8Array {
  return Buffer.from(path)
}

/** Returns the default high-water mark of Node's streams. */
export function defaultHighWaterMark(): number {
  return new Duplex().readableHighWaterMark
}

/** Refuses an invalid port as node:net does. */
export function validatePort(name: string, port: unknown): void {
  if (typeof port !== 'number' && typeof port !== 'string') return
  const number = typeof port === 'string' && port.trim() === '' ? NaN : Number(port)
  if (number !== number >>> 0 || number > 65_535) throw badPort(name, port)
}

export function validateNumber(name: string, value: unknown): asserts value is number | undefined {
  if (value !== undefined && typeof value !== 'number') throw invalidType(name, 'a number', value)
}
