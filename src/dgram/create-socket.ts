/** `createSocket()` of `udsock/dgram`. */
import { createSocket as createNodeSocket, type Socket as NodeSocket } from 'node:dgram'
import { atCaller, invalidValue } from '../internal/errors.js'
import { type RemoteInfo, Socket } from './socket.js'

/**
 * Makes a socket for datagrams; `listener` is called on 'message'. The types 'udp4' and 'udp6' make sockets of node:dgram.
 *
 * Throws a system error (`syscall` 'socket'), ERR_UNSUPPORTED_PLATFORM, and ERR_INVALID_ARG_VALUE for another type.
 */
export function createSocket(
  type: 'unix_dgram',
  listener?: (message: Buffer, rinfo: RemoteInfo) => void,
): Socket
export function createSocket(type: 'udp4' | 'udp6', listener?: (message: Buffer) => void): NodeSocket
export function createSocket(
  type: 'unix_dgram' | 'udp4' | 'udp6',
  listener?: (message: Buffer, rinfo: RemoteInfo) => void,
): Socket | NodeSocket {
  if (type === 'unix_dgram') return new Socket(type, listener)
  if (type === 'udp4' || type === 'udp6')
    return createNodeSocket(type, listener as ((message: Buffer) => void) | undefined)
  const reason = `it must be 'unix_dgram', 'udp4' or 'udp6', not '${String(type)}'`
  throw atCaller(invalidValue('type', reason), createSocket)
}
