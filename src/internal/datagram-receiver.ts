/** The receiver of a datagram: the address that a user passes as `to` or to `connect()`. */
import { type ResolvedPath, resolvePath } from '../path.js'
import { checkConnectPermission } from './permission.js'

export interface DatagramReceiver extends ResolvedPath {
  /** A text that no other address has. */
  readonly key: string
}

let lastText: string | undefined
let lastReceiver: DatagramReceiver | undefined

/** Completes and checks an address, which error texts call `name`. Throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and ERR_ACCESS_DENIED. */
export function receiverAt(path: unknown, name?: string): DatagramReceiver {
  if (path === lastText && lastReceiver !== undefined) return lastReceiver
  const { bytes, display } = resolvePath(path, name)
  checkConnectPermission(bytes, display)
  const receiver = { bytes, display, key: Buffer.from(bytes).toString('latin1') }
  // A relative path is another one in another working directory.
  if (typeof path === 'string' && path.startsWith('/')) {
    lastText = path
    lastReceiver = receiver
  }
  return receiver
}
