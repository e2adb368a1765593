export { isSupported } from './binding.js'
export { connect, type ConnectOptions } from './connect.js'
export { type SystemError } from './errors.js'
export { type FramedEvents, type FramedOptions, FramedSocket } from './framed.js'
export { type Allow, type AllowedPeers } from './identity.js'
export { type OnRead } from './inbox.js'
export { type InheritedListener, listen, type ListenOptions } from './listen.js'
export {
  type CloseOptions,
  isUnixListener,
  type ListenerEvents,
  UnixListener,
  type WaitOptions,
} from './listener.js'
export { type Overload } from './overload.js'
export { abstractName, isUnixSocketPath, type UnixSocketPath } from './path.js'
export { type SocketOptions } from './connection.js'
export { type PeerCredentials, UnixSocket } from './socket.js'
