/**
 * The diagnostics channels of sockets and servers, which are node:net's.
 */
import { channel } from 'node:diagnostics_channel'
import nodeNet from 'node:net'

export const clientSockets = channel('net.client.socket')
/** Whether this version of node:net publishes a socket in the function `connect()` alone, as Node 20 does, and not in the method. */
export const publishesInFunction = String(nodeNet.connect).includes('netClientSocketChannel')

export const serverSockets = channel('net.server.socket')
export const listenStart = channel('tracing:net.server.listen:asyncStart')
export const listenEnd = channel('tracing:net.server.listen:asyncEnd')
export const listenError = channel('tracing:net.server.listen:error')
