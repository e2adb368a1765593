/**
 * Drop-in for node:net on paths: the same classes, arguments, events, options, defaults and errors, so that replacing the
 * import is the whole migration. What differs is listed in the README. Source: the net module of Node's documentation.
 */
import {
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
import { normalizeArguments as _normalizeArgs } from './arguments.js'
import { createServer, Server } from './server.js'
import { connect, Socket } from './socket.js'

export {
  _normalizeArgs,
  BlockList,
  connect,
  connect as createConnection,
  createServer,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  Server,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
  Socket,
  Socket as Stream,
  SocketAddress,
}

/** For `import net from`. */
export default {
  _normalizeArgs,
  BlockList,
  connect,
  createConnection: connect,
  createServer,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  Server,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
  Socket,
  SocketAddress,
  Stream: Socket,
}
