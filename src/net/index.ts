/**
 * Drop-in for node:net on paths: the same classes, arguments, events, options, defaults and errors, so that replacing the
 * import is the whole migration. docs/migrating-from-node-net.md lists the differences. Source: the net module of Node's documentation.
 */
import * as members from './members.js'

export * from './members.js'
// By name, too: a tool that does not look behind the star takes the default for the only export.
export { connect } from './members.js'

/** For `import net from`: an object of its own, which tests may stub. */
const net = { ...members }

/** The types of `import net from`, such as `net.Socket`: those of node:net, and this module's own. */
declare namespace net {
  export type AddressInfo = members.AddressInfo
  export type BlockList = members.BlockList
  export type DropArgument = members.DropArgument
  export type IpcNetConnectOpts = members.IpcNetConnectOpts
  export type IpcSocketConnectOpts = members.IpcSocketConnectOpts
  export type IPVersion = members.IPVersion
  export type ListenOptions = members.ListenOptions
  export type LookupFunction = members.LookupFunction
  export type NetConnectOpts = members.NetConnectOpts
  export type OnReadOpts = members.OnReadOpts
  export type Server = members.Server
  export type ServerEvents = members.ServerEvents
  export type ServerOpts = members.ServerOpts
  export type Socket = members.Socket
  export type SocketAddress = members.SocketAddress
  export type SocketAddressInitOptions = members.SocketAddressInitOptions
  export type SocketConnectOpts = members.SocketConnectOpts
  export type SocketConstructorOpts = members.SocketConstructorOpts
  export type SocketReadyState = members.SocketReadyState
  export type Stream = members.Stream
  export type TcpNetConnectOpts = members.TcpNetConnectOpts
  export type TcpSocketConnectOpts = members.TcpSocketConnectOpts

  // Not every version of @types/node has these. The comments stay in the declarations.
  /** @ts-ignore */
  export type BoundSocket = members.BoundSocket
  /** @ts-ignore */
  export type BoundSocketOptions = members.BoundSocketOptions
  /** @ts-ignore */
  export type ConnectOpts = members.ConnectOpts
  /** @ts-ignore */
  export type ServerEventMap = members.ServerEventMap
  /** @ts-ignore */
  export type SetKeepAliveOptions = members.SetKeepAliveOptions
  /** @ts-ignore */
  export type SocketEventMap = members.SocketEventMap
}

export default net
