/**
 * One call of a server's `listen()`: what its arguments ask for, checked before any system call.
 */
import { chmodSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { type Engine } from '../internal/engine.js'
import { invalidValue } from '../internal/errors.js'
import { checkListenPermission, checkModePermission } from '../internal/permission.js'
import { addressOf, backlogOf, isPathName, type Options, validatePort } from './arguments.js'
import { tcpRefused } from './errors.js'

const { EBADF } = constants.errno

export interface ListenTarget {
  /** Null for a descriptor of this process. */
  readonly path: string | null
  /** Listens, and returns the listener's id or a negative errno. Throws ERR_ACCESS_DENIED. */
  listen(own: Engine): number
  /** Permission bits that the socket file gets beside those of the umask. */
  readonly addedMode: number
}

/** Returns what `options` ask for. `args`: the arguments that they were made of. Throws for a port, and for invalid options. */
export function listenTarget(options: Options, args: readonly unknown[]): ListenTarget {
  const { fd, path } = options
  if (typeof fd === 'number' && fd >= 0) {
    const listen = (own: Engine): number =>
      Number.isInteger(fd) && fd < 2 ** 31 ? own.driver.adopt(fd, true) : -EBADF
    return { path: null, listen, addedMode: 0 }
  }
  if (isTcp(options, args)) {
    validatePort('options.port', options['port'])
    throw tcpRefused()
  }
  if (!isPathName(path) || path === '')
    throw invalidValue('options', "it has neither a 'path', which is a string, nor an 'fd'")
  return pathTarget(path, backlogOf(options, args), options)
}

function pathTarget(path: string, backlog: number, { readableAll, writableAll }: Options): ListenTarget {
  if (path.startsWith('\0') && (readableAll || writableAll))
    throw invalidValue('options', 'an abstract name has no permissions for readableAll and writableAll')
  const address = addressOf(path)
  const addedMode = (readableAll === true ? 0o444 : 0) | (writableAll === true ? 0o222 : 0)
  const listen = (own: Engine): number => {
    checkListenPermission(address, path)
    if (addedMode !== 0) checkModePermission(path)
    return own.driver.listenNow(address, backlog, true)
  }
  return { path, listen, addedMode }
}

/** Gives the socket file the added permission bits. node:net, too, does so after the file was made. */
export function addMode({ path, addedMode }: ListenTarget): void {
  if (path !== null && addedMode !== 0) chmodSync(path, (statSync(path).mode & 0o777) | addedMode)
}

/** Whether node:net would listen on a port. */
function isTcp(options: Options, args: readonly unknown[]): boolean {
  const { port } = options
  if (args.length === 0 || typeof args[0] === 'function' || port === null) return true
  return typeof port === 'number' || typeof port === 'string' || (port === undefined && 'port' in options)
}
