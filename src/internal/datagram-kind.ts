/** What sockets for datagrams are made of, and with which options. */
import { constants } from 'node:os'
import { DatagramSocket } from '../datagram-socket.js'
import { type BoundPath } from './bound-path.js'
import { type DatagramSocketOptions } from './datagram-options.js'
import { systemError } from './errors.js'
import { type Handle } from './handle.js'
import { SocketType } from './native.js'
import { defaultMaxMessageLength } from './packet-options.js'
import { type SocketKind } from './socket-kind.js'
import { internalSocketOptions } from './socket-options.js'

const hasCredentials = process.platform === 'linux' || process.platform === 'android'

export interface DatagramKind extends SocketKind<DatagramSocket> {
  /** `bound`: the path that the socket was bound to by this package. */
  make(handle: Handle, bound?: BoundPath): DatagramSocket
}

/** Throws EOPNOTSUPP for `credentials` where senders have none. */
export function datagramKind(given: DatagramSocketOptions): DatagramKind {
  const { maxMessageLength = defaultMaxMessageLength, whenFull = 'wait', credentials = false } = given
  if (credentials && !hasCredentials)
    throw systemError(
      -constants.errno.EOPNOTSUPP,
      'setsockopt',
      undefined,
      'only Linux has options.credentials',
    )
  return {
    type: SocketType.datagram,
    typeName: 'datagram',
    resourceName: 'DatagramSocket',
    options: internalSocketOptions(given),
    make: (handle, bound) => {
      const errno = (credentials ? handle.passCredentials() : 0) || handle.setLongestRecord(maxMessageLength)
      if (errno < 0) throw systemError(errno, 'setsockopt')
      return new DatagramSocket(handle, {
        maxMessageLength,
        dropsWhenFull: whenFull === 'drop',
        credentials,
        bound,
      })
    },
  }
}
