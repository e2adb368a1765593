import { constants } from 'node:os'
import { getSystemErrorMap, getSystemErrorName } from 'node:util'
import { INTERNAL, internalError, invalidValue } from '../errors.js'

const { EINVAL, ENAMETOOLONG } = constants.errno

function fail<Fields extends object>(message: string, fields: Fields): Error & Fields {
  return Object.assign(new Error(message), fields)
}

/** Node reports a path that no address holds as EINVAL. */
function asNode(errno: number): number {
  return errno === -ENAMETOOLONG ? -EINVAL : errno
}

/** `connect ENOENT /path`; without an address `read ECONNRESET`. */
export function callFailed(number: number, syscall: string, address?: string): NodeJS.ErrnoException {
  if (number === INTERNAL) return internalError(syscall)
  const errno = asNode(number)
  const code = getSystemErrorName(errno)
  const place = address === undefined ? '' : ` ${address}`
  const fields = { errno, code, syscall }
  return fail(`${syscall} ${code}${place}`, address === undefined ? fields : { ...fields, address })
}

/** `listen EADDRINUSE: address already in use /path`. Node gives a path the port -1, and a descriptor none. */
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
    'udsock/net serves paths only; for a port and a host, and everything else of TCP, use node:net',
  )
}

export function addressMissing(): TypeError & { code: string } {
  return Object.assign(new TypeError('The "options.path" argument must be specified'), {
    code: 'ERR_MISSING_ARGS',
  })
}

export function alreadyListening(): Error & { code: string } {
  return fail('Listen method has been called more than once without closing.', {
    code: 'ERR_SERVER_ALREADY_LISTEN',
  })
}

export function notRunning(): Error & { code: string } {
  return fail('Server is not running.', { code: 'ERR_SERVER_NOT_RUNNING' })
}

/** A socket that was never connected. */
export function socketClosed(): Error & { code: string } {
  return fail('Socket is closed', { code: 'ERR_SOCKET_CLOSED' })
}

export function closedBeforeConnection(): Error & { code: string } {
  return fail('Socket closed before the connection was established', {
    code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
  })
}

/** A write after the peer's end, which ended this side too. */
export function endedByPeer(): Error & { code: string } {
  return fail('This socket has been ended by the other party', { code: 'EPIPE' })
}

/** What only TCP can. */
export function invalidHandle(): TypeError & { code: string } {
  return Object.assign(new TypeError('This handle type cannot be sent'), { code: 'ERR_INVALID_HANDLE_TYPE' })
}
