// node:http, unchanged, on the transport's sockets; 32 keep-alive connections with one request in flight each.
// In `http` the client is a plain one over node:net in every pair, so that only the server's transport differs; in
// `http-both` it is node:http's own, over the transport.
import { Agent, createServer, get } from 'node:http'
import { Arrivals } from './pattern.js'

const connections = 32
const body = 'hello world'
const request = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n')

/** Server side: what to do with each accepted connection. */
export function httpService() {
  const server = createServer((_, response) => {
    // Every answer is the same, byte for byte.
    response.sendDate = false
    response.setHeader('Content-Type', 'text/plain')
    response.end(body)
  })
  return socket => server.emit('connection', socket)
}

/** Parses one answer as HTTP; all later ones must equal it. */
function firstAnswer(socket) {
  return new Promise(resolve => {
    let text = ''
    const onData = chunk => {
      text += chunk.toString('latin1')
      const headEnd = text.indexOf('\r\n\r\n')
      if (headEnd < 0 || text.length < headEnd + 4 + body.length) return
      if (!text.startsWith('HTTP/1.1 200 OK\r\n') || text.slice(headEnd + 4) !== body)
        throw new Error(`not the expected answer: ${text}`)
      socket.off('data', onData)
      resolve(Buffer.from(text, 'latin1'))
    }
    socket.on('data', onData)
    socket.write(request)
  })
}

export async function http({ connect }) {
  const visitors = []
  for (let i = 0; i < connections; i++) {
    const socket = await connect()
    const answer = await firstAnswer(socket)
    const visitor = {
      socket,
      checker: new Arrivals(answer),
      length: answer.length,
      missing: 0,
      done: () => {},
    }
    socket.on('data', chunk => {
      visitor.checker.take(chunk)
      visitor.missing -= chunk.length
      if (visitor.missing < 0) throw new Error('more bytes came back than an answer has')
      if (visitor.missing === 0) visitor.done(visitor)
    })
    visitors.push(visitor)
  }
  return {
    step: count =>
      new Promise(resolve => {
        let asked = 0
        let answered = 0
        const ask = visitor => {
          if (asked === count) return
          asked++
          visitor.missing = visitor.length
          visitor.socket.write(request)
        }
        const done = visitor => {
          if (++answered === count) resolve({ operations: count })
          else ask(visitor)
        }
        for (const visitor of visitors) {
          visitor.done = done
          ask(visitor)
        }
      }),
    checkers: visitors.map(visitor => visitor.checker),
    close: () =>
      Promise.all(
        visitors.map(({ socket }) => new Promise(resolve => socket.resume().once('close', resolve).end())),
      ),
  }
}

/** One answer to `agent`, checked at its end. */
function visit(agent, checker) {
  return new Promise((resolve, reject) => {
    const take = response => {
      if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`))
      let length = 0
      response.on('data', chunk => {
        checker.take(chunk)
        length += chunk.length
      })
      response.on('end', () => {
        if (length === body.length) resolve()
        else reject(new Error(`${length} of ${body.length} bytes arrived`))
      })
    }
    get({ agent, path: '/' }, take).on('error', reject)
  })
}

/** The agent opens its connections itself, during the warm-up, and `connect` is how. */
export async function httpBoth({ connect }) {
  const checker = new Arrivals(Buffer.from(body))
  const agent = new Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections })
  const sockets = []
  agent.createConnection = (_options, callback) => {
    connect().then(socket => {
      sockets.push(socket)
      callback(null, socket)
    }, callback)
  }
  return {
    async step(count) {
      let asked = 0
      const lane = async () => {
        while (asked < count) {
          asked++
          await visit(agent, checker)
        }
      }
      await Promise.all(Array.from({ length: connections }, lane))
      return { operations: count }
    },
    checkers: [checker],
    async close() {
      const closed = sockets
        .filter(socket => !socket.closed)
        .map(socket => new Promise(resolve => socket.once('close', resolve)))
      agent.destroy()
      await Promise.all(closed)
    },
  }
}
