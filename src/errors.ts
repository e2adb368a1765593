import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** What the binding answers instead of an errno when Rust panicked; no errno is that low. */
export const INTERNAL = -(2 ** 31)

/** An error that names what failed, in the shape that Node's own errors have. */
export interface SystemError extends Error {
  /** 'ECONNREFUSED' and the like. */
  code: string
  /** Negative, as Node has it. */
  errno: number
  /** What was attempted: 'connect', 'listen', 'accept', 'read', 'write'. */
  syscall: string
  /** The path; an abstract name has '@' for its zero byte. */
  address?: string
}

const explanations: Record<string, string> = {
  ECONNREFUSED: 'nobody listens there',
  EADDRINUSE: 'address already in use (remove the file if no server uses it)',
  ENOENT: 'no such file or directory',
  EPROTOTYPE: 'the socket there is not a stream socket',
  ETIMEDOUT: 'the listener had no room in time',
}

/** The name of an errno that libuv does not know, such as ESTALE. */
function nameOf(number: number): string {
  const known = Object.entries(constants.errno).find(([, value]) => value === number)
  return known?.[0] ?? `E${number}`
}

/** The error for a negative errno, or for INTERNAL; `explanation` is what it means here, if that is not what it usually means. */
export function systemError(
  errno: number,
  syscall: string,
  address?: string,
  explanation?: string,
): Error & { code: string } {
  if (errno === INTERNAL) return internalError(syscall)
  const [code, meaning] = getSystemErrorMap().get(errno) ?? [nameOf(-errno), 'the system reports an error']
  const place = address === undefined ? '' : ` ${address}`
  const error = new Error(
    `${syscall} ${code}: ${explanation ?? explanations[code] ?? meaning}${place}`,
  ) as SystemError
  error.errno = errno
  error.code = code
  error.syscall = syscall
  if (address !== undefined) error.address = address
  return error
}

function coded<E extends Error>(error: E, code: string): E & { code: string } {
  return Object.assign(error, { code })
}

/** What `AbortSignal` users test for: `name` 'AbortError', `code` 'ABORT_ERR', the signal's reason as `cause`. */
export function abortError(signal: AbortSignal): Error & { code: string } {
  const error = coded(new Error('The operation was aborted', { cause: signal.reason }), 'ABORT_ERR')
  error.name = 'AbortError'
  return error
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (typeof value === 'symbol') return 'a symbol'
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  // What a stranger's object says of itself may throw.
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
  return coded(new TypeError(`${name} is not usable: ${reason}`), 'ERR_INVALID_ARG_VALUE')
}

export function outOfRange(name: string, range: string, value: unknown): RangeError & { code: string } {
  return coded(new RangeError(`${name} must be ${range}; received ${describe(value)}`), 'ERR_OUT_OF_RANGE')
}

/** What Node's permission model forbids, in the shape of Node's own refusals. */
export function accessDenied(
  syscall: string,
  address: string,
  { permission, resource, option }: { permission: string; resource: string; option: string },
): Error & { code: string } {
  const place = resource === address ? address : `${address}: ${resource}`
  const reason = `Node's permission model forbids it without ${option}`
  const error = coded(new Error(`${syscall} ERR_ACCESS_DENIED: ${reason} ${place}`), 'ERR_ACCESS_DENIED')
  return Object.assign(error, { permission, resource, syscall, address })
}

export function listenerClosed(address: string): Error & { code: string } {
  return coded(new Error(`The listener on ${address} is closed`), 'ERR_LISTENER_CLOSED')
}

/** `whom`: the peer's uid, or why it is not known. */
export function peerRefused(
  address: string,
  whom: number | Error,
  expected: readonly number[],
): Error & { code: string } {
  const found = typeof whom === 'number' ? `belongs to user ${whom}` : `has no known user (${whom.message})`
  const error = new Error(`connect refused the peer: ${address} ${found}, expected ${expected.join(' or ')}`)
  return Object.assign(coded(error, 'ERR_PEER_REFUSED'), { syscall: 'connect', address })
}

export function backpressureLimit(held: number, limit: number): Error & { code: string } {
  const reason = `Nothing was written: the socket holds ${held} unsent bytes and may hold ${limit}; wait for 'drain' when write() returns false`
  return coded(new Error(reason), 'ERR_BACKPRESSURE_LIMIT')
}

export function streamDestroyed(): Error & { code: string } {
  return coded(
    new Error('The socket was closed before the kernel had all that was written'),
    'ERR_STREAM_DESTROYED',
  )
}

export function bufferChanged(): Error & { code: string } {
  const reason =
    'A buffer was detached or shrunk before the kernel had all of it: leave it alone until the callback'
  return coded(new Error(reason), 'ERR_BUFFER_CHANGED')
}

export function frameTooLarge(length: number, limit: number): RangeError & { code: string } {
  const reason = `A frame of ${length} bytes is longer than maxFrameLength, ${limit}`
  return coded(new RangeError(reason), 'ERR_FRAME_TOO_LARGE')
}

export function frameTruncated(received: number, length: number): Error & { code: string } {
  const reason = `The connection ended inside a frame, behind ${received} of ${length} bytes`
  return coded(new Error(reason), 'ERR_FRAME_TRUNCATED')
}

export function prematureClose(): Error & { code: string } {
  return coded(new Error('The socket was closed before its end'), 'ERR_STREAM_PREMATURE_CLOSE')
}

export function illegalConstructor(name: string, instead: string): TypeError & { code: string } {
  return coded(new TypeError(`${name} cannot be constructed: use ${instead}`), 'ERR_ILLEGAL_CONSTRUCTOR')
}

export function internalError(what: string): Error & { code: string } {
  return coded(
    new Error(`udsock failed internally in ${what}; this is a bug, please report it`),
    'ERR_INTERNAL',
  )
}

/** Why an addon that was found was not loaded: the loader tells of all its attempts, by their messages alone. */
function loadFailure(failure: unknown): string | undefined {
  const reasons: string[] = []
  for (let cause = failure; cause instanceof Error; cause = cause.cause) reasons.push(cause.message)
  return reasons.find(reason => !/^(Cannot find|Unsupported)/.test(reason))
}

const addonsDisabled =
  'Node was started with --permission, but without --allow-addons (or with --no-addons), and udsock is an addon'

export function unsupportedPlatform(cause: unknown): Error & { code: string } {
  const failure = loadFailure(cause)
  const reason =
    failure === undefined
      ? `udsock has no build for ${process.platform} on ${process.arch}, or it could not be loaded`
      : `udsock could not be loaded: ${failure.includes('addons is disabled') ? addonsDisabled : failure}`
  return coded(new Error(reason, { cause }), 'ERR_UNSUPPORTED_PLATFORM')
}
