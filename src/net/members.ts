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
export { createServer, Server, type ServerConstructor, type ServerEvents } from './server.js'
export {
  connect,
  connect as createConnection,
  Socket,
  Socket as Stream,
  type SocketConstructor,
} from './socket.js'
