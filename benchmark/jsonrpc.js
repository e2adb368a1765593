// vscode-jsonrpc over the transport's sockets, as language servers speak it: one connection.
import { library } from './libraries.js'
import { asking } from './round-trips.js'

const parameters = [1, 2, 'three']

function connectionOver(socket) {
  const { createMessageConnection, SocketMessageReader, SocketMessageWriter } = library('vscode-jsonrpc/node')
  return createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket))
}

/** Server side. */
export function rpcService(socket) {
  const connection = connectionOver(socket)
  connection.onRequest('echo', (...given) => given.slice(0, parameters.length))
  connection.listen()
  socket.on('end', () => socket.end())
}

export const jsonrpc =
  inFlight =>
  async ({ connect }) => {
    const socket = await connect()
    const connection = connectionOver(socket)
    connection.listen()
    const ask = async () => {
      const result = await connection.sendRequest('echo', ...parameters)
      if (result[2] !== parameters[2]) throw new Error('a wrong result came back')
      return parameters.length
    }
    return asking(ask, inFlight, () => {
      const closed = new Promise(resolve => socket.once('close', resolve))
      connection.dispose()
      socket.end()
      return closed
    })
  }
