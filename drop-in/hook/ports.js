// Turns TCP ports into paths: `listen(port)` makes a file, and `connect(port)` goes to it, in this process and its children.
import { mkdtempSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'

const directory = (process.env.UDSOCK_DROP_IN_PORTS ??= mkdtempSync(join(tmpdir(), 'udp-')))
// Free ports are unique among the processes of one directory.
let nextPort = 20_000 + (process.pid % 4_000) * 10

const portsOf = new WeakMap()

const pathOf = port => join(directory, String(port))

/** Whether Node would take `value` for a port; a text that is no number is a path. */
const isPort = value => (typeof value === 'number' || typeof value === 'string') && Number(value) >= 0

/** The arguments of listen() or connect() as an object of options, and the callback. */
function optionsOf(args) {
  // Node normalizes the arguments itself before it calls connect().
  const given = Array.isArray(args[0]) ? args[0] : args
  const callback = given.findLast(value => typeof value === 'function')
  const [first, second] = given
  if (typeof first === 'object' && first !== null) return { options: first, callback }
  if (!isPort(first)) return { options: undefined, callback }
  const host = typeof second === 'string' ? { host: second } : {}
  return { options: { port: first, ...host }, callback }
}

const isTcp = options => options !== undefined && !options.path && isPort(options.port)

function withPath({ port: _port, host: _host, ...options }, port) {
  return { ...options, path: pathOf(port) }
}

const withCallback = (options, callback) => (callback === undefined ? [options] : [options, callback])

/** Has the sockets of `net`, a node:net or udsock/net, connect to paths for ports. */
export function replacePortsOfSockets({ Socket }) {
  const { connect } = Socket.prototype
  Socket.prototype.connect = function (...args) {
    const { options, callback } = optionsOf(args)
    if (!isTcp(options)) return connect.apply(this, args)
    return connect.apply(this, withCallback(withPath(options, Number(options.port)), callback))
  }
}

/** Node takes a port that is null or undefined for any that is free. */
function withAnyPort(options) {
  const isAny = options !== undefined && 'port' in options && (options.port ?? null) === null
  return isAny ? { ...options, port: 0 } : options
}

/** Has the servers of `net` listen on paths for ports. */
export function replacePortsOfServers({ Server }) {
  const { listen, address } = Server.prototype
  Server.prototype.listen = function (...args) {
    const isBare = args.length === 0 || args[0] === undefined || typeof args[0] === 'function'
    const { options: given, callback } = optionsOf(isBare ? [0, ...args] : args)
    const options = withAnyPort(given)
    portsOf.delete(this)
    if (!isTcp(options)) return listen.apply(this, args)
    const port = Number(options.port) || nextPort++
    portsOf.set(this, { port, address: options.host ?? '127.0.0.1', family: 'IPv4' })
    return listen.apply(this, withCallback(withPath(options, port), callback))
  }
  Server.prototype.address = function () {
    const path = address.call(this)
    const tcp = portsOf.get(this)
    return path === null || tcp === undefined
      ? path
      : { address: tcp.address, family: tcp.family, port: tcp.port }
  }
}

/** Has tls.connect() use paths for ports: it makes a handle of the kind that its options ask for before it connects. */
export function replacePortsOfTls() {
  const { connect } = tls
  tls.connect = (...args) => {
    const [options, callback] = tlsArguments(args)
    const isOwn = options.socket === undefined && isTcp(options)
    if (!isOwn) return connect(options, callback)
    const servername = options.servername ?? (isIP(options.host ?? '') ? '' : (options.host ?? 'localhost'))
    return connect({ servername, ...withPath(options, Number(options.port)) }, callback)
  }
  syncBuiltinESMExports()
}

/** The arguments of tls.connect() as options and a callback. */
function tlsArguments(args) {
  const callback = args.findLast(value => typeof value === 'function')
  const options = Object.assign({}, ...args.filter(value => typeof value === 'object' && value !== null))
  const [first, second] = args
  if (typeof first !== 'object') {
    if (Number(first) >= 0) Object.assign(options, { port: first })
    else Object.assign(options, { path: first })
    if (typeof second === 'string') Object.assign(options, { host: second })
  }
  return [options, callback]
}
