/** The errors of `listen()` for failed system calls: what is in the way, and which option or permission helps. */
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { type ResolvedPath } from '../path.js'
import { invalidValue, systemError } from './errors.js'

type OnExisting = 'error' | 'replaceStale' | 'takeOver'

/** The options that not every listener can have. */
interface Chosen {
  readonly backlog?: number | undefined
  readonly mode?: number | undefined
  readonly onExisting?: OnExisting | undefined
  readonly unlinkOnClose?: boolean | undefined
}

const { errno } = constants

const inUseByAnything =
  "a file exists there; options.onExisting 'replaceStale' replaces the socket file of a server that is gone"

const inheritedFailures: Record<number, string> = {
  [-errno.ENOTSOCK]: 'the descriptor is not a socket',
  [-errno.EAFNOSUPPORT]: 'the descriptor is not a Unix-domain socket',
  [-errno.EINVAL]: 'the socket does not listen',
  [-errno.EBUSY]: 'a socket or a Descriptor of this thread owns it already',
}

/** Returns the error for the negative errno of taking a listening descriptor. */
export function inheritError(code: number, fd: number, typeName: string): Error {
  const isWrongType = code === -errno.EPROTOTYPE
  const explanation = isWrongType ? `the descriptor is not a ${typeName} socket` : inheritedFailures[code]
  return systemError(code, 'listen', `fd ${fd}`, explanation)
}

/** Returns the error for the negative errno of a bind. */
export function bindError(
  code: number,
  { bytes, display }: ResolvedPath,
  onExisting: OnExisting,
  typeName: string,
): Error {
  const isDatagram = typeName === 'datagram'
  const syscall = isDatagram ? 'bind' : 'listen'
  const inUse = {
    error: bytes[0] === 0 ? 'a socket is bound to this name' : inUseByAnything,
    replaceStale: `${isDatagram ? 'a socket is bound' : 'a server listens'} there, or it is no socket file of this process's user; nothing was replaced`,
    takeOver: `it is no ${typeName} socket file of this process's user; nothing was replaced`,
  }
  const locking = onExisting === 'error' ? '' : ', and read permission to lock it'
  const explanations: Record<number, string> = {
    [-errno.EACCES]: `${isDatagram ? 'binding' : 'listening'} takes write and search permission on the directory${locking}`,
    [-errno.ENOENT]: `there is no directory ${dirname(display)}`,
    [-errno.EADDRINUSE]: inUse[onExisting],
    [-errno.ESTALE]: 'other processes keep changing the file there; try again',
    [-errno.EAGAIN]: 'the system has no thread for the work on files; try again',
    [-errno.EOPNOTSUPP]:
      'the mode can be set neither through /proc, which is not mounted, nor by fchmodat2 of Linux 6.6',
    [-errno.ETIMEDOUT]: `another process keeps the directory ${dirname(display)} locked`,
    [-errno.ENAMETOOLONG]:
      'the temporary name beside the path is too long for an address; use a shorter path',
    [-errno.EEXIST]: 'a file that is no socket of this package is at the temporary name beside the path',
  }
  return systemError(code, syscall, display, explanations[code])
}

/** Refuses options that the process that made an inherited listener has decided. */
export function refuseForInherited(options: Chosen): void {
  const reason = 'the process that made an inherited listener has decided it; omit the option'
  for (const name of ['backlog', 'mode'] as const)
    if (options[name] !== undefined) throw invalidValue(`options.${name}`, reason)
  if ((options.onExisting ?? 'error') !== 'error') throw invalidValue('options.onExisting', reason)
  if (options.unlinkOnClose === true)
    throw invalidValue('options.unlinkOnClose', 'the file of an inherited listener is not its own')
}

/** Rejects what an abstract name cannot have. It leaves no file, so the other options need no work. */
export function refuseForAbstract({ mode, onExisting }: Chosen): void {
  if (mode !== undefined)
    throw invalidValue('options.mode', 'an abstract name has no permissions; use options.allow instead')
  if (onExisting === 'takeOver')
    throw invalidValue('options.onExisting', 'an abstract name cannot be taken over')
}
