// The transports that are compared, each behind the same functions:
//   connect(address, options) -> Promise<Duplex>
//   serve(address, backlog, onSocket, options) -> Promise<{ close(): Promise<void> }>
// and, for libraries that open or accept connections themselves:
//   stream(address) -> Duplex that connects
//   http(address, options) -> options of a request of node:http, whose agent has these options
//   undici(address) -> options of a pool of undici
//   fetch(address, connections) -> { request() -> Promise<Response>, close() }
//   serveHttp(server, address, backlog) -> Promise<{ close(): Promise<void> }>
// `options` are a workload's, for the package alone: node:net has none of them. An address is a path, or an abstract name behind a NUL. Both keep half-open connections open and use the
// default high-water mark. Everything that is measured is written once, against these functions.
import { once } from 'node:events'
import { Agent } from 'node:http'
import net from 'node:net'
import { library } from './libraries.js'
import { messageTransport } from './message-transport.js'

const nodeNet = {
  connect(address) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ path: address, allowHalfOpen: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(socket)
      })
    })
  },

  async serve(address, backlog, onSocket) {
    const server = net.createServer({ allowHalfOpen: true }, onSocket)
    server.listen({ path: address, backlog })
    await once(server, 'listening')
    return { close: () => new Promise(resolve => server.close(resolve)) }
  },

  stream: address => net.connect({ path: address }),
  http: (address, options) => ({ agent: new Agent(options), socketPath: address }),
  undici: address => ({ socketPath: address }),

  fetch(address, connections) {
    const { Agent: Dispatcher, fetch } = library('undici')
    const dispatcher = new Dispatcher({ connections, connect: { socketPath: address } })
    return { request: () => fetch('http://localhost/', { dispatcher }), close: () => dispatcher.close() }
  },

  async serveHttp(server, address, backlog) {
    server.listen({ path: address, backlog })
    await once(server, 'listening')
    return { close: () => new Promise(resolve => server.close(resolve)) }
  },
}

/** The package as its users import it: by its own name, built. */
async function udsock() {
  const { abstractName, connect, listen } = await import('udsock')
  const pathOf = address => (address.startsWith('\0') ? abstractName(address.slice(1)) : address)
  return {
    connect: (address, options) => connect(pathOf(address), options),

    async serve(address, backlog, onSocket, options) {
      const listener = await listen(pathOf(address), { backlog, ...options })
      const accepting = (async () => {
        for await (const socket of listener) onSocket(socket)
      })()
      return {
        async close() {
          await listener.close()
          await accepting
        },
      }
    },
  }
}

/** The same, with what libraries need. Loads more modules. */
async function udsockForLibraries() {
  const { connect } = await import('udsock/net')
  const { Agent: OurAgent, fetch: ourFetch, serve, undiciConnector } = await import('udsock/http')
  return {
    ...(await udsock()),
    stream: address => connect({ path: address }),
    http: (address, options) => ({ agent: new OurAgent(address, options), host: 'localhost' }),
    undici: address => ({ connect: undiciConnector(address) }),

    fetch(address, maxSockets) {
      const agent = new OurAgent(address, { keepAlive: true, maxSockets, maxFreeSockets: maxSockets })
      return { request: () => ourFetch(address, '/', { agent }), close: async () => agent.destroy() }
    },

    async serveHttp(server, address, backlog) {
      const served = await serve(server, address, { backlog })
      return { close: () => served.close({ drain: true }) }
    },
  }
}

export const transportNames = ['udsock', 'node:net']

/** What `carried` names: 'libraries' adds `stream`, `http`, `undici`, `fetch` and `serveHttp`; others are those of `message-transport.js`. */
export async function transport(name, carried) {
  const forLibraries = carried === 'libraries'
  if (carried !== undefined && !forLibraries) return messageTransport(name, carried)
  if (name === 'node:net') return nodeNet
  if (name === 'udsock') return forLibraries ? udsockForLibraries() : udsock()
  throw new Error(`no transport is called '${name}' (there are: ${transportNames.join(', ')})`)
}
