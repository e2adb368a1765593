/** The public API of `udsock/dgram`: that of unix-dgram, so that a program may replace its import. */
export { createSocket } from './create-socket.js'
export { type RemoteInfo, Socket, type SocketEvents } from './socket.js'
