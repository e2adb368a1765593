// Puts node:http, node:https, node:tls and node:http2 over udsock/net, although they do not import it: their servers are
// handed what a Server of udsock/net accepts, and their clients get its sockets.
import http from 'node:http'
import http2 from 'node:http2'
import { syncBuiltinESMExports } from 'node:module'
import nodeNet from 'node:net'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { replacePortsOfTls } from './ports.js'

const relays = new WeakMap()

/** Has every server that derives from node:net's, which are those of the other modules, listen by a Server of `net`. */
function replaceServers(net) {
  const { prototype } = nodeNet.Server
  const relayOf = server => {
    let relay = relays.get(server)
    if (relay === undefined) relays.set(server, (relay = relayTo(server, net)))
    return relay
  }
  prototype.listen = function (...args) {
    const relay = relayOf(this)
    relay.maxConnections = this.maxConnections
    const last = args.at(-1)
    // The callback belongs to the server that the program knows.
    if (typeof last === 'function') this.once('listening', args.pop())
    relay.listen(...args)
    return this
  }
  prototype.close = function (callback) {
    const relay = relayOf(this)
    if (typeof callback === 'function') {
      if (relay.listening) this.once('close', callback)
      else
        this.once('close', () =>
          callback(Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' })),
        )
    }
    relay.close()
    return this
  }
  for (const name of ['address', 'getConnections', 'ref', 'unref'])
    prototype[name] = function (...args) {
      const result = relayOf(this)[name](...args)
      return name === 'address' ? result : this
    }
  Object.defineProperty(prototype, 'listening', {
    configurable: true,
    get() {
      return relays.get(this)?.listening ?? false
    },
  })
}

function relayTo(server, net) {
  const { allowHalfOpen, pauseOnConnect, highWaterMark } = server
  const relay = new net.Server({ allowHalfOpen, pauseOnConnect, highWaterMark })
  for (const event of ['listening', 'drop', 'error', 'close'])
    relay.on(event, (...args) => server.emit(event, ...args))
  relay.on('connection', socket => server.emit('connection', socket))
  return relay
}

/** Reports the connection of a socket by the TLSSocket above it, as Node does for a socket of its own class. */
function connectSecure(secured, socket) {
  if (!socket.connecting) return
  secured.connecting = true
  socket.once('connect', () => {
    secured.connecting = false
    secured.emit('connect')
  })
}

/** Has the clients of the other modules take their sockets from `net`. */
function replaceClients(net) {
  const connectTls = tls.connect
  tls.connect = (options, callback) => {
    if (options.socket) return connectTls(options, callback)
    const { path, timeout, signal: _signal, ...secure } = options
    const socket = net.connect({ path, allowHalfOpen: options.allowHalfOpen, timeout })
    const secured = connectTls({ ...secure, socket }, callback)
    connectSecure(secured, socket)
    socket.on('timeout', () => secured.emit('timeout'))
    return secured
  }
  replacePortsOfTls()
  http.Agent.prototype.createConnection = (...args) => net.createConnection(...args)
  const connectHttp2 = http2.connect
  http2.connect = (authority, options, listener) => {
    if (typeof options === 'function') return http2.connect(authority, undefined, options)
    const createConnection = url => {
      const secure = url.protocol === 'https:'
      const target = { ...options, host: url.hostname, port: url.port || (secure ? 443 : 80) }
      if (!secure) return net.connect(target)
      return tls.connect({ ALPNProtocols: ['h2'], servername: url.hostname, ...target })
    }
    return connectHttp2(authority, { createConnection, ...options }, listener)
  }
  // Node defines it, because the callback has no error for its first argument.
  http2.connect[promisify.custom] = (authority, options) =>
    new Promise((resolve, reject) => {
      const session = http2.connect(authority, options, () => {
        session.off('error', reject)
        resolve(session)
      })
      session.once('error', reject)
    })
  syncBuiltinESMExports()
}

/** Has the modules of Node that use node:net by themselves use `net`. */
export function replaceInBuiltins(net) {
  replaceServers(net)
  replaceClients(net)
}
