/**
 * `adopt()`: makes a socket of a connected descriptor, such as one that a parent process has left open or that a peer has sent.
 */
import { constants } from 'node:os'
import { Descriptor, type DescriptorKind, isDescriptor } from './descriptor.js'
import { type DatagramSocket } from './datagram-socket.js'
import { datagramKind } from './internal/datagram-kind.js'
import { datagramRules, type DatagramSocketOptions } from './internal/datagram-options.js'
import { opened } from './internal/diagnostics.js'
import { engine } from './internal/engine.js'
import { atCaller, invalidType, invalidValue, systemError } from './internal/errors.js'
import { Handle } from './internal/handle.js'
import { Resource } from './internal/resource.js'
import { anyTypeRule, type PacketOptions, packetRules, typeOf } from './internal/packet-options.js'
import { packetKind, type SocketKind, streamKind } from './internal/socket-kind.js'
import { type SocketOptions, socketRules } from './internal/socket-options.js'
import { OptionSet, validateInteger } from './internal/validation.js'
import { pathFromBytes } from './path.js'
import { type PacketSocket } from './packet-socket.js'
import { type UnixSocket } from './socket.js'

export interface AdoptOptions extends SocketOptions {
  /** The type of the socket: any other is refused. Default: the one that the socket has. */
  type?: 'stream' | undefined
}

/** `type` makes the socket one for messages. */
export interface PacketAdoptOptions extends PacketOptions {
  type: 'seqpacket'
}

/** `type` makes the socket one for datagrams. */
export interface DatagramAdoptOptions extends DatagramSocketOptions {
  type: 'datagram'
}

const adoptOptions = new OptionSet<AdoptOptions>('adopt()', { ...socketRules, type: anyTypeRule })
const packetAdoptOptions = new OptionSet<PacketAdoptOptions>("adopt() with type 'seqpacket'", {
  ...packetRules,
  type: anyTypeRule,
})
const datagramAdoptOptions = new OptionSet<DatagramAdoptOptions>("adopt() with type 'datagram'", {
  ...datagramRules,
  type: anyTypeRule,
})
const { EAFNOSUPPORT, EBUSY, ENOTCONN, ENOTSOCK, EPROTOTYPE } = constants.errno

/** Kinds of descriptors, where `kind` alone would say too little. */
const kinds: Partial<Record<DescriptorKind, string>> = {
  character: 'character device',
  block: 'block device',
  other: 'descriptor of another kind',
}

/** What a descriptor is that is no connected stream socket, by the negative errno. */
const refusals: Record<number, string> = {
  [-ENOTCONN]: 'a socket that is not connected; listen({ fd }) takes a listening one',
  [-EAFNOSUPPORT]:
    'a socket of another family than AF_UNIX; node:net takes TCP sockets, by new net.Socket({ fd })',
}

type Adopted = UnixSocket | PacketSocket | DatagramSocket

/**
 * Resolves with the socket of a connected descriptor, or of one for datagrams, and takes ownership: a `Descriptor` is consumed, and nothing else
 * may close a number. It becomes non-blocking, also in other processes that have it, and close-on-exec. Closing the socket does not shut it
 * down there, and leaves its file. Without `type` the class is that of the socket's type.
 *
 * Rejects with ERR_INVALID_ARG_VALUE if the descriptor is no such socket, with the text of what it is; with a system error (EBADF; EBUSY: a socket
 * or a Descriptor of this thread owns it); with ERR_UNSUPPORTED_PLATFORM. The descriptor then stays the caller's.
 */
export function adopt(
  descriptor: number | Descriptor,
  options: AdoptOptions & { type: 'stream' },
): Promise<UnixSocket>
/** Resolves with the socket of a connected descriptor of type SOCK_SEQPACKET, and takes ownership in the same way. */
export function adopt(descriptor: number | Descriptor, options: PacketAdoptOptions): Promise<PacketSocket>
/** Resolves with the socket of a descriptor of type SOCK_DGRAM, connected or not, and takes ownership in the same way. */
export function adopt(descriptor: number | Descriptor, options: DatagramAdoptOptions): Promise<DatagramSocket>
/** Resolves with the socket that the descriptor is, of whatever type. */
export function adopt(
  descriptor: number | Descriptor,
  options?: AdoptOptions,
): Promise<UnixSocket | PacketSocket | DatagramSocket>
export async function adopt(
  descriptor: number | Descriptor,
  options?: AdoptOptions | PacketAdoptOptions | DatagramAdoptOptions,
): Promise<Adopted> {
  try {
    const own = engine()
    const admitted = kindsOf(options)
    const typeName = admitted.length === 1 ? admitted[0]!.typeName : undefined
    const fd = numberOf(descriptor)
    const isHeld = isDescriptor(descriptor)
    let id = -EPROTOTYPE
    let kind: SocketKind<Adopted> = admitted[0]!
    for (let index = 0; id === -EPROTOTYPE && index < admitted.length; index++) {
      kind = admitted[index]!
      id = own.driver.adoptConnection(fd, kind.options.receiveDescriptors > 0, kind.type, isHeld)
    }
    if (id < 0) throw refusal(id, fd, typeName)
    const localPath = pathFromBytes(own.driver.localAddress(id))
    const resource = new Resource(kind.resourceName)
    const handle = new Handle(own, id, kind.options, resource, { localPath })
    let socket: Adopted
    try {
      socket = kind.make(handle)
    } catch (error) {
      own.driver.releaseDescriptor(handle.detach().id)
      handle.close()
      throw error
    }
    if (isDescriptor(descriptor)) descriptor.release()
    return opened(socket)
  } catch (error) {
    throw atCaller(error, adopt)
  }
}

/** Returns the kinds of sockets that options admit. */
function kindsOf(options: unknown): SocketKind<Adopted>[] {
  const type = typeOf(options)
  if (type === 'seqpacket') return [packetKind(packetAdoptOptions.read(options))]
  if (type === 'datagram') return [datagramKind(datagramAdoptOptions.read(options))]
  const given = adoptOptions.read(options)
  return type === 'stream' ? [streamKind(given)] : [streamKind(given), packetKind(given), datagramKind(given)]
}

function numberOf(descriptor: unknown): number {
  if (isDescriptor(descriptor)) {
    if (descriptor.fd < 0) throw invalidValue('descriptor', 'it is closed, released or sent')
    return descriptor.fd
  }
  if (typeof descriptor !== 'number') throw invalidType('descriptor', 'a number or a Descriptor', descriptor)
  validateInteger('descriptor', descriptor, 0, 2 ** 31 - 1)
  return descriptor
}

function refusal(errno: number, fd: number, typeName: string | undefined): Error {
  if (errno === -EBUSY)
    return systemError(errno, 'adopt', `fd ${fd}`, 'a socket or a Descriptor of this thread owns it already')
  const isWrongType = errno === -EPROTOTYPE
  const wanted = typeName === undefined ? '' : ` than ${typeNames[typeName]}`
  const what = isWrongType
    ? `a socket of another type${wanted}`
    : errno === -ENOTSOCK
      ? `a ${kindOf(fd)}`
      : refusals[errno]
  if (what === undefined) return systemError(errno, 'adopt', `fd ${fd}`)
  const taken = `a ${typeName === 'datagram' ? '' : 'connected '}Unix-domain ${typeName === undefined ? '' : `${typeName} `}socket`
  return invalidValue('descriptor', `${fd} is ${what}; adopt() takes ${taken}`)
}

const typeNames: Record<string, string> = {
  stream: 'SOCK_STREAM',
  seqpacket: 'SOCK_SEQPACKET',
  datagram: 'SOCK_DGRAM',
}

function kindOf(fd: number): string {
  const copy = Descriptor.duplicate(fd)
  const { kind } = copy
  copy.close()
  return kinds[kind] ?? kind
}
