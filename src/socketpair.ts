/**
 * `socketpair()`: two sockets that are connected to each other and have no path.
 */
import { type DatagramSocket } from './datagram-socket.js'
import { datagramKind } from './internal/datagram-kind.js'
import { datagramRules, type DatagramSocketOptions } from './internal/datagram-options.js'
import { engine } from './internal/engine.js'
import { atCaller, systemError } from './internal/errors.js'
import { opened } from './internal/diagnostics.js'
import { Handle } from './internal/handle.js'
import { Resource } from './internal/resource.js'
import { anyTypeRule, type PacketOptions, packetRules, typeOf } from './internal/packet-options.js'
import { packetKind, type SocketKind, streamKind } from './internal/socket-kind.js'
import { type SocketOptions, socketRules } from './internal/socket-options.js'
import { OptionSet } from './internal/validation.js'
import { type PacketSocket } from './packet-socket.js'
import { type UnixSocket } from './socket.js'

export interface SocketPairOptions extends SocketOptions {
  /** The type of the sockets. Default 'stream'. */
  type?: 'stream' | undefined
}

/** `type` makes the sockets ones for messages. */
export interface PacketPairOptions extends PacketOptions {
  type: 'seqpacket'
}

/** `type` makes the sockets ones for datagrams. */
export interface DatagramPairOptions extends DatagramSocketOptions {
  type: 'datagram'
}

const pairOptions = new OptionSet<SocketPairOptions>('socketpair()', { ...socketRules, type: anyTypeRule })
const packetPairOptions = new OptionSet<PacketPairOptions>("socketpair() with type 'seqpacket'", {
  ...packetRules,
  type: anyTypeRule,
})
const datagramPairOptions = new OptionSet<DatagramPairOptions>("socketpair() with type 'datagram'", {
  ...datagramRules,
  type: anyTypeRule,
})

/**
 * Returns two sockets that are connected to each other. `detach()` makes a descriptor of one, for a child process or for another library.
 *
 * Throws a system error (`syscall` 'socketpair'): EMFILE, ENFILE; ERR_UNSUPPORTED_PLATFORM; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE and
 * ERR_OUT_OF_RANGE.
 */
export function socketpair(options?: SocketPairOptions): [UnixSocket, UnixSocket]
/** Returns two sockets of type SOCK_SEQPACKET, whose messages keep their boundaries. */
export function socketpair(options: PacketPairOptions): [PacketSocket, PacketSocket]
/** Returns two sockets for datagrams, each of which is connected to the other and knows no other. */
export function socketpair(options: DatagramPairOptions): [DatagramSocket, DatagramSocket]
export function socketpair(
  options?: SocketPairOptions | PacketPairOptions | DatagramPairOptions,
): [UnixSocket, UnixSocket] | [PacketSocket, PacketSocket] | [DatagramSocket, DatagramSocket] {
  const type = typeOf(options)
  if (type === 'seqpacket') return pairOf(() => packetKind(packetPairOptions.read(options)))
  if (type === 'datagram') return pairOf(() => datagramKind(datagramPairOptions.read(options)))
  return pairOf(() => streamKind(pairOptions.read(options)))
}

function pairOf<S extends UnixSocket | PacketSocket | DatagramSocket>(kindOf: () => SocketKind<S>): [S, S] {
  try {
    const own = engine()
    const kind = kindOf()
    const [one, other] = own.driver.pair(kind.options.receiveDescriptors > 0, kind.type)
    if (other === undefined) throw systemError(one!, 'socketpair')
    const handleOf = (id: number): Handle =>
      new Handle(own, id, kind.options, new Resource(kind.resourceName))
    return madeOf([handleOf(one!), handleOf(other)], kind)
  } catch (error) {
    throw atCaller(error, socketpair)
  }
}

function madeOf<S extends UnixSocket | PacketSocket | DatagramSocket>(
  handles: readonly [Handle, Handle],
  kind: SocketKind<S>,
): [S, S] {
  try {
    const [one, other] = [kind.make(handles[0]), kind.make(handles[1])]
    return [opened(one), opened(other)]
  } catch (error) {
    for (const handle of handles) handle.close()
    throw error
  }
}
