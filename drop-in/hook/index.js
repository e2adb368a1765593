// `node --import .../hook/index.js program`: the program gets paths for ports, and, when UDSOCK_DROP_IN is 'udsock/net', also
// udsock/net for node:net. With 'node:net' only the ports change, so that both sides run over Unix-domain sockets.
import nodeNet from 'node:net'
import ourNet from '../../net.js'
import { replaceInBuiltins } from './builtins.js'
import { replacePortsOfServers, replacePortsOfSockets, replacePortsOfTls } from './ports.js'
import { replaceNet } from './replace.js'

const side = process.env.UDSOCK_DROP_IN
if (side !== 'node:net' && side !== 'udsock/net')
  throw new Error(`UDSOCK_DROP_IN must be 'node:net' or 'udsock/net', not ${side}`)

// Also for Node's own fetch(), which no hook reaches: it stays a client of node:net.
replacePortsOfSockets(nodeNet)
if (side === 'node:net') {
  replacePortsOfServers(nodeNet)
  replacePortsOfTls()
} else {
  replacePortsOfSockets(ourNet)
  replacePortsOfServers(ourNet)
  replaceNet(ourNet)
  replaceInBuiltins(ourNet)
}
