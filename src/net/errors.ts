/** The errors that node:net has, with its texts: a program that compares texts works over `udsock/net`, too. */
import { constants } from 'node:os'
import { getSystemErrorMap, getSystemErrorName } from 'node:util'
import { coded, internalError, invalidValue } from '../internal/errors.js'
import { INTERNAL } from '../internal/native.js'

const { EINVAL, ENAMETOOLONG } = constants.errno

function fail<Fields extends object>(message: string, fields: Fields): Error & Fields {
  return Object.assign(new Error(message), fields)
}

/** Returns an errno as Node reports it: a path that is too long for an address is EINVAL. */
function asNode(errno: number): number {
  return errno === -ENAMETOOLONG ? -EINVAL : errno
}

/** Returns `connect ENOENT /path`; without an address `read ECONNRESET`. */
export function callFailed(number: number, syscall: string, address?: string): NodeJS.ErrnoException {
  if (number === INTERNAL) return internalError(syscall)
  const errno = asNode(number)
  const code = getSystemErrorName(errno)
  const place = address === undefined ? '' : ` ${address}`
  const fields = { errno, code, syscall }
  return fail(`${syscall} ${code}${place}`, address === undefined ? fields : { ...fields, address })
}

/** Returns `listen EADDRINUSE: address already in use /path`. In Node the error has the port -1 for a path, and none for a descriptor. */
export function listenFailed(number: number, address: string | null): NodeJS.ErrnoException {
  if (number === INTERNAL) return internalError('listen')
  const errno = asNode(number)
  const [code, meaning] = getSystemErrorMap().get(errno) ?? [String(errno), 'unknown error']
  const message = `listen ${code}: ${meaning}${address === null ? '' : ` ${address}`}`
  const fields = { code, errno, syscall: 'listen', address }
  return fail(message, address === null ? fields : { ...fields, port: -1 }) as NodeJS.ErrnoException
}

export function tcpRefused(): TypeError & { code: string } {
  return invalidValue(
    'options',
    'udsock/net supports paths only; use node:net for a port, a host and everything else of TCP',
  )
}

export function badPort(name: string, port: number | string): RangeError & { code: string } {
  const received = `type ${typeof port} (${typeof port === 'string' ? `'${port}'` : port})`
  const message = `${name} should be >= 0 and < 65536. Received ${received}.`
  return coded(new RangeError(message), 'ERR_SOCKET_BAD_PORT')
}

export function addressMissing(): TypeError & { code: string } {
  return coded(new TypeError('The "options.path" argument must be specified'), 'ERR_MISSING_ARGS')
}

export function alreadyListening(): Error & { code: string } {
  return coded(
    new Error('Listen method has been called more than once without closing.'),
    'ERR_SERVER_ALREADY_LISTEN',
  )
}

export function notRunning(): Error & { code: string } {
  return coded(new Error('Server is not running.'), 'ERR_SERVER_NOT_RUNNING')
}

/** The error of a socket that was never connected. */
export function socketClosed(): Error & { code: string } {
  return coded(new Error('Socket is closed'), 'ERR_SOCKET_CLOSED')
}

export function closedBeforeConnection(): Error & { code: string } {
  return coded(
    new Error('Socket closed before the connection was established'),
    'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
  )
}

/** The error of a write after the peer's end, which has ended this side as well. */
export function endedByPeer(): Error & { code: string } {
  return fail('This socket has been ended by the other party', { code: 'EPIPE' })
}

/** The error of an operation that only TCP supports. */
export function invalidHandle(): TypeError & { code: string } {
  return coded(new TypeError('This handle type cannot be sent'), 'ERR_INVALID_HANDLE_TYPE')
}
