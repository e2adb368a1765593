// The transports that are compared, each behind the same two functions:
//   connect(address, options) -> Promise<Duplex>
//   serve(address, backlog, onSocket, options) -> Promise<{ close(): Promise<void> }>
// `options` are a workload's, for the package alone: node:net has no such thing. An address is a path, or an abstract name behind a NUL. Both keep half-open connections open and use the
// default high-water mark. Everything that is measured is written once, against these two functions.
import { once } from 'node:events'
import net from 'node:net'

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

export const transportNames = ['udsock', 'node:net']

export async function transport(name) {
  if (name === 'node:net') return nodeNet
  if (name === 'udsock') return udsock()
  throw new Error(`no transport is called '${name}' (there are: ${transportNames.join(', ')})`)
}
