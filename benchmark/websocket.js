// ws over the transport's sockets: 100 B messages there and back on one connection.
import { createServer } from 'node:http'
import { library } from './libraries.js'
import { asking, Waiting } from './round-trips.js'

/** Server side: an HTTP server, whose upgraded connections echo. */
export function websocketServer() {
  const { WebSocketServer } = library('ws')
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket =>
    socket.on('message', (message, binary) => socket.send(message, { binary })),
  )
  return server
}

export const websocket =
  inFlight =>
  async ({ ends, address, pattern, arrivals }) => {
    const { WebSocket } = library('ws')
    const socket = new WebSocket('ws://localhost/', { createConnection: () => ends.stream(address) })
    const checker = arrivals()
    const waiting = new Waiting()
    socket.on('message', message => {
      checker.take(message)
      waiting.shift()(message.length)
    })
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    socket.once('close', earlyEnd)
    const ask = () =>
      new Promise(resolve => {
        waiting.push(resolve)
        socket.send(pattern.next())
      })
    return asking(ask, inFlight, () => {
      socket.off('close', earlyEnd)
      return new Promise(resolve => {
        socket.once('close', resolve)
        socket.close()
      })
    })
  }

function earlyEnd() {
  throw new Error('the connection ended early')
}
