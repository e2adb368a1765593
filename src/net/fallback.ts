/**
 * The sockets and servers of `udsock/net`: the package's own, or those of node:net where the package has no addon, so that a library may
 * replace its import on every platform.
 */
import nodeNet from 'node:net'
import { loadAttempts } from '../internal/native.js'
import { unsupportedPlatform } from '../internal/errors.js'
import { isSupported } from '../supported.js'
import * as factory from './create-server.js'
import * as server from './server.js'
import * as socket from './socket.js'

if (!isSupported) {
  const { message } = unsupportedPlatform(loadAttempts)
  process.emitWarning(`udsock/net and udsock/http use node:net: ${message}`, { code: 'UDSOCK_FALLBACK' })
}

const own = { ...factory, ...server, ...socket }
const used = isSupported ? own : (nodeNet as unknown as typeof own)

export const Socket = used.Socket
export type Socket = socket.Socket
export const Server = used.Server
export type Server = server.Server
/** Makes a server; `listener` is called on 'connection'. */
export const createServer: typeof factory.createServer = used.createServer
/** Makes a socket, and connects it: `connect(path, callback?)`, `connect({ path, timeout, ...options of Socket }, callback?)`. */
export const connect: typeof socket.connect = used.connect
