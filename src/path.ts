import { readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { invalidType, invalidValue, outOfRange } from './errors.js'

/**
 * Where a socket lives.
 * - string, `file:` URL: a filesystem path; a relative one is completed against `process.cwd()` at the call;
 * - `Uint8Array` whose first byte is not 0: a filesystem path in raw bytes, which need not be UTF-8;
 * - `Uint8Array` whose first byte is 0: a name in Linux's abstract namespace, every following byte significant.
 *
 * Source: unix(7).
 */
export type UnixSocketPath = string | URL | Uint8Array

/** An address as the kernel gets it, and as people read it. */
export interface ResolvedPath {
  readonly bytes: Uint8Array
  /** For messages: an abstract name has '@' for its zero byte. */
  readonly display: string
}

const hasAbstractNames = process.platform === 'linux' || process.platform === 'android'
/** The size of `sun_path`. A pathname may fill it; an abstract name shares it with its zero byte. */
const maxLength = hasAbstractNames ? 108 : 104
const slash = 0x2f

/** With a slash at its end. */
function workingDirectory(): Buffer {
  const text = process.cwd()
  if (text === '/') return Buffer.from('/')
  // A replacement character may stand for bytes that are not UTF-8, which only the kernel can name then.
  const isInexact = text.includes('\ufffd') && hasAbstractNames
  const bytes = isInexact ? readlinkSync('/proc/self/cwd', { encoding: 'buffer' }) : Buffer.from(text)
  return Buffer.concat([bytes, Buffer.from('/')])
}

function pathname(bytes: Buffer): ResolvedPath {
  if (bytes.length === 0) throw invalidValue('path', 'it is empty')
  if (bytes.includes(0)) {
    throw invalidValue(
      'path',
      'it contains a zero byte (abstractName() makes names in the abstract namespace)',
    )
  }
  const completed = bytes[0] === slash ? bytes : Buffer.concat([workingDirectory(), bytes])
  if (completed.length > maxLength) {
    const length = `${completed.length} bytes${completed === bytes ? '' : ' when completed'}`
    throw invalidValue('path', `it has ${length}, and a socket's path at most ${maxLength}`)
  }
  return { bytes: completed, display: completed.toString() }
}

function abstract(bytes: Buffer): ResolvedPath {
  if (!hasAbstractNames) throw invalidValue('path', `${process.platform} has no abstract names`)
  if (bytes.length > maxLength) {
    throw invalidValue(
      'path',
      `the abstract name has ${bytes.length - 1} bytes, and may have ${maxLength - 1}`,
    )
  }
  return { bytes, display: `@${bytes.subarray(1).toString()}` }
}

/** The text of a URL; undefined for everything else, also for what only poses as one. */
function hrefOf(value: unknown): string | undefined {
  try {
    return value instanceof URL ? value.href : undefined
  } catch {
    return undefined
  }
}

/** The address that a caller means, completed and checked now. Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE. */
export function resolvePath(path: unknown): ResolvedPath {
  const href = hrefOf(path)
  if (href !== undefined) {
    if (!href.startsWith('file:')) throw invalidValue('path', 'the URL is no file: URL')
    return resolvePath(fileURLToPath(href))
  }
  if (types.isUint8Array(path)) {
    // Of a detached array Bun and Deno make no buffer, but an exception.
    const bytes = path.length === 0 ? Buffer.alloc(0) : Buffer.from(path)
    return bytes[0] === 0 ? abstract(bytes) : pathname(bytes)
  }
  if (typeof path !== 'string') throw invalidType('path', 'a string, a file: URL or a Uint8Array', path)
  if (!path.isWellFormed())
    throw invalidValue('path', 'it contains half of a surrogate pair, which no bytes stand for')
  return pathname(Buffer.from(path))
}

/** A path as its giver meant it, whatever happens to the bytes later. */
export function keepPath(path: UnixSocketPath): UnixSocketPath {
  return types.isUint8Array(path) ? Uint8Array.from(path) : path
}

/** Would `connect()` and `listen()` accept this value as a path here? Never throws, never touches the file system. */
export function isUnixSocketPath(value: unknown): value is UnixSocketPath {
  try {
    resolvePath(value)
    return true
  } catch {
    return false
  }
}

/**
 * The abstract name `name` (Linux): the bytes of `name` behind a zero byte. Such a name has no file and no permissions:
 * any process in the same network namespace may connect to it or take it.
 *
 * @throws ERR_OUT_OF_RANGE beyond 107 bytes; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE.
 */
export function abstractName(name: string | Uint8Array): Uint8Array {
  if (typeof name !== 'string' && !types.isUint8Array(name)) {
    throw invalidType('name', 'a string or a Uint8Array', name)
  }
  if (typeof name === 'string' && !name.isWellFormed()) {
    throw invalidValue('name', 'it contains half of a surrogate pair, which no bytes stand for')
  }
  const bytes = typeof name === 'string' ? Buffer.from(name) : name
  const longest = 107
  if (bytes.length > longest) throw outOfRange('name', `at most ${longest} bytes`, bytes.length)
  const address = new Uint8Array(bytes.length + 1)
  address.set(bytes, 1)
  return address
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** An address as the kernel gave it, in the form that `connect()` takes; none for an unnamed socket. */
export function pathFromBytes(bytes: Uint8Array): UnixSocketPath | undefined {
  if (bytes.length === 0) return undefined
  if (bytes[0] === 0) return bytes
  try {
    return utf8.decode(bytes)
  } catch {
    return bytes
  }
}
