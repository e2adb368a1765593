/**
 * The exports of `udsock/net`: those of node:net, where sockets and servers are this package's, and the rest is Node's own.
 */
export {
  BlockList,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
  SocketAddress,
} from 'node:net'
export { normalizeArguments as _normalizeArgs } from './arguments.js'
export {
  connect,
  connect as createConnection,
  createServer,
  Server,
  Socket,
  Socket as Stream,
} from './fallback.js'
export { type ServerConstructor } from './server.js'
export { type ServerEvents } from './server-emitter.js'
export { type SocketConstructor } from './socket.js'
/** The other types. Those above take precedence. */
export type * from 'node:net'
