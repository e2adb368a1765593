/**
 * Paths of sockets, from what a caller passes to what the kernel gets, and back.
 *
 * A path is completed and checked at the call, before any system call on it. It is never truncated, padded or normalized.
 */
import { readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { atCaller, invalidType, invalidValue, outOfRange } from './internal/errors.js'

/**
 * Where a socket lives.
 * - string, `file:` URL: a filesystem path; a relative one is completed against `process.cwd()` at the call;
 * - `Uint8Array` whose first byte is not 0: a filesystem path in raw bytes, which need not be UTF-8;
 * - `Uint8Array` whose first byte is 0: a name in Linux's abstract namespace, every following byte significant.
 *
 * Source: unix(7).
 */
export type UnixSocketPath = string | URL | Uint8Array

/** @internal A completed and checked address. */
export interface ResolvedPath {
  /** For the kernel. */
  readonly bytes: Uint8Array
  /** For error texts: an abstract name has '@' for its zero byte. */
  readonly display: string
}

const hasAbstractNames = process.platform === 'linux' || process.platform === 'android'
/** The size of `sun_path` in bytes. A path may fill it; an abstract name shares it with its leading zero byte. */
const maxLength = hasAbstractNames ? 108 : 104
const slash = 0x2f

/** Returns the working directory with a slash at its end. */
function workingDirectory(): Buffer {
  const text = process.cwd()
  if (text === '/') return Buffer.from('/')
  // A replacement character may stand for bytes that are not UTF-8. Those can be read only from the kernel.
  const isInexact = text.includes('\ufffd') && hasAbstractNames
  const bytes = isInexact ? readlinkSync('/proc/self/cwd', { encoding: 'buffer' }) : Buffer.from(text)
  return Buffer.concat([bytes, Buffer.from('/')])
}

function pathname(bytes: Buffer, name: string): ResolvedPath {
  if (bytes.length === 0) throw invalidValue(name, 'it is empty')
  if (bytes.includes(0)) {
    throw invalidValue(
      name,
      'it contains a zero byte; use abstractName() for a name in the abstract namespace',
    )
  }
  const completed = bytes[0] === slash ? bytes : Buffer.concat([workingDirectory(), bytes])
  if (completed.length > maxLength) {
    const length = `${completed.length} bytes${completed === bytes ? '' : ' when completed'}`
    throw invalidValue(
      name,
      `it has ${length}, but the path of a socket has at most ${maxLength}; use a shorter one`,
    )
  }
  return { bytes: completed, display: completed.toString() }
}

function abstract(bytes: Buffer, name: string): ResolvedPath {
  if (!hasAbstractNames)
    throw invalidValue(name, `${process.platform} has no abstract names; use a path in the file system`)
  if (bytes.length > maxLength) {
    throw invalidValue(
      name,
      `the abstract name has ${bytes.length - 1} bytes, but at most ${maxLength - 1} are allowed; use a shorter one`,
    )
  }
  return { bytes, display: `@${bytes.subarray(1).toString()}` }
}

/** Returns the text of a URL; undefined for every other value, also for an object that only has the prototype of a URL. */
function hrefOf(value: unknown): string | undefined {
  try {
    return value instanceof URL ? value.href : undefined
  } catch {
    return undefined
  }
}

/** The absolute path that a string had last, and what became of it: programs connect to the same path again and again. */
let lastText: string | undefined
let lastResolved: ResolvedPath | undefined

/**
 * @internal Completes and checks a path. `name` is its name in error texts, and `expected` the values that the function accepts.
 *
 * @throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
 */
export function resolvePath(
  path: unknown,
  name = 'path',
  expected = 'a string, a file: URL or a Uint8Array',
): ResolvedPath {
  if (typeof path === 'string') return resolveText(path, name)
  const href = hrefOf(path)
  if (href !== undefined) {
    if (!href.startsWith('file:')) throw invalidValue(name, 'a URL must have the scheme file:')
    return resolveText(fileURLToPath(href), name)
  }
  if (types.isUint8Array(path)) {
    // Bun and Deno throw when a Buffer is made of a detached array.
    const bytes = path.length === 0 ? Buffer.alloc(0) : Buffer.from(path)
    return bytes[0] === 0 ? abstract(bytes, name) : pathname(bytes, name)
  }
  throw invalidType(name, expected, path)
}

function resolveText(text: string, name: string): ResolvedPath {
  if (text === lastText) return lastResolved!
  if (!text.isWellFormed())
    throw invalidValue(name, 'it contains a lone surrogate, which has no UTF-8 bytes; pass the path as bytes')
  const resolved = pathname(Buffer.from(text), name)
  // A relative path depends on the working directory.
  if (text.startsWith('/')) {
    lastText = text
    lastResolved = resolved
  }
  return resolved
}

/** @internal Returns a path that the caller cannot change any more. */
export function keepPath(path: UnixSocketPath): UnixSocketPath {
  return types.isUint8Array(path) ? Uint8Array.from(path) : path
}

/** Whether `connect()` and `listen()` accept this value as a path on this platform. Never throws, never touches the file system. */
export function isUnixSocketPath(value: unknown): value is UnixSocketPath {
  try {
    resolvePath(value)
    return true
  } catch {
    return false
  }
}

/**
 * Returns the abstract name `name` (Linux): a zero byte and the bytes of `name`. Such a name has no file and no permissions:
 * any process in the same network namespace may connect to it or listen at it.
 *
 * @throws ERR_OUT_OF_RANGE beyond 107 bytes; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
 */
export function abstractName(name: string | Uint8Array): Uint8Array {
  try {
    return abstractAddress(name)
  } catch (error) {
    throw atCaller(error, abstractName)
  }
}

function abstractAddress(name: unknown): Uint8Array {
  if (typeof name !== 'string' && !types.isUint8Array(name)) {
    throw invalidType('name', 'a string or a Uint8Array', name)
  }
  if (typeof name === 'string' && !name.isWellFormed()) {
    throw invalidValue(
      'name',
      'it contains a lone surrogate, which has no UTF-8 bytes; pass the name as bytes',
    )
  }
  const bytes = typeof name === 'string' ? Buffer.from(name) : name
  const longest = 107
  if (bytes.length > longest) throw outOfRange('name', `at most ${longest} bytes`, bytes.length)
  const address = new Uint8Array(bytes.length + 1)
  address.set(bytes, 1)
  return address
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @internal Returns an address of the kernel in the form that `connect()` takes; undefined for an unnamed socket. */
export function pathFromBytes(bytes: Uint8Array): UnixSocketPath | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0] === 0) return bytes
  try {
    return utf8.decode(bytes)
  } catch {
    return bytes
  }
}
