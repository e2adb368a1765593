// JSON by lines, as many protocols between programs of one machine have it: text at both ends.
import { asking } from './round-trips.js'

const parameters = [1, 2, 'three']

/** Passes each line's value to `handle`. */
function eachLine(socket, handle) {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', text => {
    rest += text
    let start = 0
    for (let end; (end = rest.indexOf('\n', start)) >= 0; start = end + 1)
      handle(JSON.parse(rest.slice(start, end)))
    rest = rest.slice(start)
  })
}

/** Server side. */
export function lineService(socket) {
  eachLine(socket, ({ id, params }) => socket.write(`${JSON.stringify({ id, result: params })}\n`))
  socket.on('end', () => socket.end())
}

export const lines =
  inFlight =>
  async ({ connect }) => {
    const socket = await connect()
    const waiting = new Map()
    let last = 0
    let closing = false
    eachLine(socket, ({ id, result }) => {
      if (result?.[2] !== parameters[2]) throw new Error('a wrong result came back')
      waiting.get(id)(parameters.length)
      waiting.delete(id)
    })
    socket.on('end', () => {
      if (!closing) throw new Error('the connection ended early')
    })
    const ask = () =>
      new Promise(resolve => {
        waiting.set(++last, resolve)
        socket.write(`${JSON.stringify({ id: last, method: 'echo', params: parameters })}\n`)
      })
    return asking(ask, inFlight, () => {
      closing = true
      return new Promise(resolve => socket.once('close', resolve).end())
    })
  }
