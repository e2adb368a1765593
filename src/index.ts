/** The public API of `udsock`. */
export { adopt, type AdoptOptions, type DatagramAdoptOptions, type PacketAdoptOptions } from './adopt.js'
export { type Autobind, bindDatagram, type DatagramOptions } from './bind-datagram.js'
export { connect, type ConnectOptions, type PacketConnectOptions } from './connect.js'
export { connections, type ConnectionsOptions } from './connections.js'
export { type DatagramEvents, DatagramSocket } from './datagram-socket.js'
export { Descriptor, type DescriptorKind } from './descriptor.js'
export { type FramedOptions, FramedSocket } from './framed-socket.js'
export { type Allow, type AllowedPeers } from './identity.js'
export { type OnRead } from './internal/onread.js'
export { type InheritedListener, listen, type ListenOptions, type PacketListenOptions } from './listen.js'
export { isUnixListener, type ListenerEvents, UnixListener } from './listener.js'
export { type Overload } from './internal/exhaustion.js'
export { type CloseOptions, type WaitOptions } from './internal/listener-options.js'
export {
  type MessageEvents,
  type MessageEvents as FramedEvents,
  type MessageSocket,
} from './message-socket.js'
export { abstractName, isUnixSocketPath, type UnixSocketPath } from './path.js'
export { type DatagramInfo, type DatagramSendOptions } from './internal/datagram-info.js'
export { type DatagramSocketOptions } from './internal/datagram-options.js'
export { type MessageInfo } from './internal/message-info.js'
export { type PacketOptions } from './internal/packet-options.js'
export { type SocketOptions } from './internal/socket-options.js'
export { type PeerCredentials } from './peer.js'
export { PacketSocket } from './packet-socket.js'
export { type SendOptions } from './internal/message-info.js'
export { UnixSocket } from './socket.js'
export {
  type DatagramPairOptions,
  type PacketPairOptions,
  socketpair,
  type SocketPairOptions,
} from './socketpair.js'
export { type WriteOptions } from './internal/write-options.js'
export { isSupported } from './supported.js'
export { type SystemError } from './system-error.js'
