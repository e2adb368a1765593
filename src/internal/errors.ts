/**
 * Every error that the package makes, but those that only `udsock/net` has. Texts name what failed, on which path or option, why,
 * and what to do. Each error has a stable `code`, and its stack begins at the caller of the public function.
 */
import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import { INTERNAL, TOO_MANY_REFERENCES } from './native.js'
import { decisiveFailure, packageName, thisHost, unsupportedText } from './unsupported.js'
import { type SystemError } from '../system-error.js'

/** What an error of `connect` means, and what to do. */
const connecting: Record<string, string> = {
  EACCES: 'connecting takes write permission on the socket file, and search permission on its directories',
  ECONNREFUSED: 'no process listens there, or the file is no socket',
  ENOENT: 'no such file or directory',
  EPROTOTYPE: 'the socket there is not a stream socket',
  ETIMEDOUT: 'the backlog of the listener stayed full for options.timeout',
}

/** Returns what an error with this code means. */
function meaningOf(code: string, syscall: string, address: string | undefined, usual: string): string {
  if (code === 'EBADF' && address?.startsWith('fd ')) return 'no open descriptor has that number'
  if (code === 'EPERM' && syscall === 'write')
    return `${usual}; a peer without options.receiveDescriptors refuses descriptors`
  if (syscall !== 'connect') return usual
  if (code === 'ECONNREFUSED' && address?.startsWith('@')) return 'no process listens there'
  return connecting[code] ?? usual
}

/** Returns the name of an errno that libuv does not know, such as ESTALE. */
function errnoName(number: number): string {
  if (number === -TOO_MANY_REFERENCES) return 'ETOOMANYREFS'
  const known = Object.entries(constants.errno).find(([, value]) => value === number)
  return known?.[0] ?? `E${number}`
}

/**
 * Returns the error for a negative errno or INTERNAL: `connect ENOENT /path: no such file or directory`. `explanation` replaces the usual
 * meaning of the errno.
 */
export function systemError(
  errno: number,
  syscall: string,
  address?: string,
  explanation?: string,
): Error & { code: string } {
  if (errno === INTERNAL) return internalError(syscall)
  const [code, usual] = getSystemErrorMap().get(errno) ?? [errnoName(-errno), 'unknown error']
  const place = address === undefined ? '' : ` ${address}`
  if (errno === TOO_MANY_REFERENCES)
    explanation ??= 'too many descriptors of this user were sent and not received yet'
  const meaning = explanation ?? meaningOf(code, syscall, address, usual)
  const error = new Error(`${syscall} ${code}${place}: ${meaning}`) as SystemError
  error.errno = errno
  error.code = code
  error.syscall = syscall
  if (address !== undefined) error.address = address
  headers.set(error, undefined)
  return error
}

type Callee = ((...args: never[]) => unknown) | (abstract new (...args: never[]) => unknown)

/** The errors of this package. The value is the code in the first line of their stack, `TypeError [CODE]: ...`, if it is there. */
const headers = new WeakMap<Error, string | undefined>()

/** Captures the stack of `error` now, from the caller of `callee`. */
function capture(error: Error, callee: Callee): void {
  const code = headers.get(error)
  if (code === undefined) {
    Error.captureStackTrace(error, callee)
    return
  }
  Object.defineProperty(error, 'name', { value: `${error.name} [${code}]`, configurable: true })
  Error.captureStackTrace(error, callee)
  try {
    // V8 formats the stack, with the current name, at the first read.
    void error.stack
  } catch {
    // A user's Error.prepareStackTrace threw.
  }
  Reflect.deleteProperty(error, 'name')
}

/** Gives `error` its code, and the stack header and `toString()` of Node's own errors. */
export function coded<E extends Error>(error: E, code: string): E & { code: string } {
  headers.set(error, code)
  capture(error, coded)
  const text = (): string => `${error.name} [${code}]: ${error.message}`
  Object.defineProperty(error, 'toString', { value: text, configurable: true, writable: true })
  return Object.assign(error, { code })
}

/**
 * Makes the stack of an error begin at the caller of `callee`, a public function that is running, and returns the error. After
 * an await the frames are those that V8 keeps for async functions. An error that is not of this package stays as it is.
 */
export function atCaller(error: unknown, callee: Callee): Error {
  if (error instanceof Error && headers.has(error)) {
    const before = error.stack
    capture(error, callee)
    // Without a known caller, the place inside the package is better than none.
    if (!/\n\s+at /.test(error.stack ?? ''))
      Object.defineProperty(error, 'stack', { value: before, configurable: true, writable: true })
  }
  return error as Error
}

/** Returns an error as Node's functions have it for an aborted `signal`; its reason is the `cause`. */
export function abortError(signal: AbortSignal): Error & { code: string } {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  headers.set(error, undefined)
  capture(error, abortError)
  return Object.assign(error, { code: 'ABORT_ERR' })
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return 'a symbol'
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  // An object may have a getter or a proxy that throws.
  try {
    const name: unknown = value.constructor.name
    return typeof name === 'string' ? `an instance of ${name}` : 'an object'
  } catch {
    return 'an object'
  }
}

export function invalidType(name: string, expected: string, value: unknown): TypeError & { code: string } {
  return coded(
    new TypeError(`${name} must be ${expected}; received ${describe(value)}`),
    'ERR_INVALID_ARG_TYPE',
  )
}

export function invalidValue(name: string, reason: string): TypeError & { code: string } {
  return coded(new TypeError(`${name} is invalid: ${reason}`), 'ERR_INVALID_ARG_VALUE')
}

/** Returns the error for an option `name` that the function `owner` does not have. */
export function invalidOption(name: string, owner: string, suggestion: string): TypeError & { code: string } {
  return invalidValue(name, `${owner} has no such option; ${suggestion}`)
}

export function outOfRange(name: string, range: string, value: unknown): RangeError & { code: string } {
  return coded(new RangeError(`${name} must be ${range}; received ${describe(value)}`), 'ERR_OUT_OF_RANGE')
}

/** Returns the error for what Node's permission model forbids, with the fields of Node's own. */
export function accessDenied(
  syscall: string,
  address: string,
  { permission, resource, option }: { permission: string; resource: string; option: string },
): Error & { code: string } {
  const other = resource === address ? '' : `=${resource}`
  const reason = `Node's permission model forbids it without ${option}${other}`
  const error = new Error(`${syscall} ERR_ACCESS_DENIED ${address}: ${reason}`)
  headers.set(error, undefined)
  return Object.assign(error, { code: 'ERR_ACCESS_DENIED', permission, resource, syscall, address })
}

export function invalidState(reason: string): Error & { code: string } {
  return coded(new Error(reason), 'ERR_INVALID_STATE')
}

export function listenerClosed(address: string): Error & { code: string } {
  return coded(new Error(`The listener on ${address} is closed`), 'ERR_LISTENER_CLOSED')
}

/** `found` is the uid of the listener, or the error of reading it. */
export function peerRefused(
  address: string,
  found: number | Error,
  expected: readonly number[],
): Error & { code: string } {
  const owner = typeof found === 'number' ? `has the uid ${found}` : `has no known uid (${found.message})`
  const error = new Error(
    `connect ${address}: the listener ${owner}, but options.peerUid allows only ${expected.join(', ')}`,
  )
  return Object.assign(coded(error, 'ERR_PEER_REFUSED'), { syscall: 'connect', address })
}

export function backpressureLimit(held: number, limit: number): Error & { code: string } {
  const allowed = `options.highWaterMark and options.writeLimit together allow ${limit}`
  const reason = `The socket holds ${held} unsent bytes, and ${allowed}; wait for 'drain' when write() or send() returns false`
  return coded(new Error(reason), 'ERR_BACKPRESSURE_LIMIT')
}

export function streamDestroyed(): Error & { code: string } {
  return coded(
    new Error('The socket was closed before the kernel took all bytes that were written'),
    'ERR_STREAM_DESTROYED',
  )
}

export function descriptorsLost(reason: string): Error & { code: string } {
  return coded(new Error(`Descriptors that the peer sent were closed: ${reason}`), 'ERR_DESCRIPTORS_LOST')
}

export function bufferChanged(): Error & { code: string } {
  const reason =
    'A buffer was detached or shrunk before the kernel took all of it; do not change it before the callback of the write'
  return coded(new Error(reason), 'ERR_BUFFER_CHANGED')
}

export function messageDetached(): Error & { code: string } {
  const reason =
    'The memory of a received message was detached, but later messages share it; transfer a copy of the message instead'
  return coded(new Error(reason), 'ERR_BUFFER_CHANGED')
}

export function frameTooLarge(length: number, limit: number): RangeError & { code: string } {
  const reason = `A message of ${length} bytes is longer than options.maxMessageLength, ${limit}`
  return coded(new RangeError(reason), 'ERR_FRAME_TOO_LARGE')
}

export function frameTruncated(received: number, length: number): Error & { code: string } {
  const reason = `The connection ended inside a message, after ${received} of ${length} bytes`
  return coded(new Error(reason), 'ERR_FRAME_TRUNCATED')
}

export function messageTruncated(limit: number): RangeError & { code: string } {
  const reason = `A message is longer than options.maxMessageLength, ${limit}; its end is lost. Raise the limit, or use messages() or 'message', which mark such messages`
  return coded(new RangeError(reason), 'ERR_MESSAGE_TRUNCATED')
}

export function messageDropped(address = 'the peer'): Error & { code: string } {
  const reason = `The message was dropped: ${address} has no room, and options.whenFull is 'drop'`
  return coded(new Error(reason), 'ERR_MESSAGE_DROPPED')
}

export function messageTimedOut(milliseconds: number): Error & { code: string } {
  const reason = `A message was not complete ${milliseconds} ms after its first byte; options.messageTimeout allows no more`
  return coded(new Error(reason), 'ERR_MESSAGE_TIMEOUT')
}

export function alreadyFinished(): Error & { code: string } {
  return coded(new Error('end() was called after the socket had ended'), 'ERR_STREAM_ALREADY_FINISHED')
}
export function writeAfterEnd(): Error & { code: string } {
  return coded(new Error('A message was sent after end()'), 'ERR_STREAM_WRITE_AFTER_END')
}

export function prematureClose(): Error & { code: string } {
  return coded(new Error('The socket was closed before the peer ended'), 'ERR_STREAM_PREMATURE_CLOSE')
}

export function illegalConstructor(type: Callee, name: string, instead: string): Error {
  const error = new TypeError(`${name} cannot be constructed: use ${instead}`)
  return atCaller(coded(error, 'ERR_ILLEGAL_CONSTRUCTOR'), type)
}

export function internalError(what: string): Error & { code: string } {
  return coded(
    new Error(`udsock failed internally in ${what}; this is a bug, please report it`),
    'ERR_INTERNAL',
  )
}

/** `attempts`: the errors of the attempts to load the addon. */
export function unsupportedPlatform(attempts: readonly Error[]): Error & { code: string } {
  const host = thisHost()
  const cause = decisiveFailure(attempts, packageName(host))
  return coded(new Error(unsupportedText(host, attempts), { cause }), 'ERR_UNSUPPORTED_PLATFORM')
}
