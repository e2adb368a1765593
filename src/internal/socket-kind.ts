/** The kinds of connections that functions of the package make: what each is made of, and with which options. */
import { PacketSocket } from '../packet-socket.js'
import { UnixSocket } from '../socket.js'
import { type Handle } from './handle.js'
import { SocketType } from './native.js'
import { type OnRead } from './onread.js'
import { PacketTransport } from './packet-transport.js'
import { defaultMaxMessageLength, type PacketOptions } from './packet-options.js'
import { type InternalSocketOptions, internalSocketOptions, type SocketOptions } from './socket-options.js'

/** How the sockets of one kind are made. */
export interface SocketKind<S> {
  /** One of the numbers of `SocketType`. */
  readonly type: number
  /** The type as error texts name it. */
  readonly typeName: 'stream' | 'seqpacket' | 'datagram'
  /** The name of the sockets' async resource. */
  readonly resourceName: string
  readonly options: InternalSocketOptions
  /** If it throws, the handle stays open. */
  make(handle: Handle): S
}

export function streamKind(options: SocketOptions, onread?: OnRead): SocketKind<UnixSocket> {
  return {
    type: SocketType.stream,
    typeName: 'stream',
    resourceName: 'UnixSocket',
    options: internalSocketOptions(options, onread),
    make: handle => new UnixSocket(handle),
  }
}

export function packetKind(options: PacketOptions): SocketKind<PacketSocket> {
  const { maxMessageLength = defaultMaxMessageLength, allowHalfOpen = false } = options
  return {
    type: SocketType.packet,
    typeName: 'seqpacket',
    resourceName: 'PacketSocket',
    options: internalSocketOptions(options),
    make: handle => {
      handle.setLongestRecord(maxMessageLength)
      return new PacketSocket(new PacketTransport(handle), { maxMessageLength, allowHalfOpen })
    },
  }
}
