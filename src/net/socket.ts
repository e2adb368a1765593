/**
 * The ways to get a `net.Socket`: the class, which may be called without `new`, `connect()`, and a server's `acceptedSocket()`.
 */
import { type IpcNetConnectOpts, type Socket as NetSocket, type SocketConstructorOpts } from 'node:net'
import { atCaller } from '../internal/errors.js'
import { type Handle } from '../internal/handle.js'
import { optionsOf } from './arguments.js'
import { callable } from './callable.js'
import { clientSockets, publishesInFunction } from './channels.js'
import { PathSocket } from './path-socket.js'

/** The class, which may be called without `new`. */
export interface SocketConstructor {
  new (options?: SocketConstructorOpts | number): Socket
  (options?: SocketConstructorOpts | number): Socket
  readonly prototype: Socket
}

/** @internal Makes a socket of a connection that a server has accepted. Closes the connection if the server's options are invalid for streams. */
export function acceptedSocket(handle: Handle, paused: boolean): PathSocket {
  try {
    return new PathSocket(paused ? pausedOptions : undefined, handle)
  } catch (error) {
    handle.close()
    throw error
  }
}

const pausedOptions = { pauseOnCreate: true } as SocketConstructorOpts

export const Socket = callable(PathSocket, 'Socket') as unknown as SocketConstructor
/** A socket, which is assignable to one of node:net with any version of @types/node. */
export interface Socket
  extends NetSocket, Pick<PathSocket, 'closeRead' | 'localPath' | 'peer' | 'remotePath'> {}

/** Makes a socket, and connects it: `connect(path, callback?)`, `connect({ path, timeout, ...options of Socket }, callback?)`. */
export function connect(path: string, callback?: () => void): Socket
export function connect(options: IpcNetConnectOpts, callback?: () => void): Socket
export function connect(...args: unknown[]): Socket {
  const normalized = optionsOf(args)
  const [options] = normalized
  try {
    const socket = new PathSocket(options as SocketConstructorOpts)
    if (publishesInFunction && clientSockets.hasSubscribers) clientSockets.publish({ socket })
    if (options['timeout']) socket.setTimeout(options['timeout'] as number)
    return socket.connect(normalized) as unknown as Socket
  } catch (error) {
    throw atCaller(error, connect)
  }
}
