// What `import ... from 'net'` sees while the hook is in force. BoundSocket is new in Node 26 and absent from udsock/net.
const net = globalThis[Symbol.for('udsock.drop-in')]

export const {
  _normalizeArgs,
  BlockList,
  BoundSocket,
  connect,
  createConnection,
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
  Stream,
} = net
export default net
