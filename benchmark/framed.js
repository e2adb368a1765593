// Length-delimited messages there and back, 256 in flight on one connection, cut and framed at both ends: by
// FramedSocket, and for node:net by the framer below, as a careful programmer writes it.
const window = 256
const headerLength = 4

/** One buffer and one write per message; `corked`, what one chunk brings is answered at once. No chunk is ever joined to another. */
class CarefulFramer {
  #header = Buffer.alloc(headerLength)
  #headerFilled = 0
  #message
  #filled = 0

  constructor(socket, corked) {
    this.socket = socket
    this.corked = corked
  }

  onMessage(listener) {
    this.socket.on('data', chunk => {
      if (this.corked) this.socket.cork()
      this.#cut(chunk, listener)
      if (this.corked) this.socket.uncork()
    })
  }

  #cut(chunk, listener) {
    let start = 0
    while (start < chunk.length) {
      if (this.#headerFilled === 0 && chunk.length - start >= headerLength) {
        const end = start + headerLength + chunk.readUInt32BE(start)
        if (end <= chunk.length) {
          listener(chunk.subarray(start + headerLength, end))
          start = end
          continue
        }
      }
      start = this.#carry(chunk, start, listener)
    }
  }

  /** A message that began in an earlier chunk, or ends in a later one; where the next begins. */
  #carry(chunk, start, listener) {
    if (this.#headerFilled < headerLength) {
      const copied = chunk.copy(this.#header, this.#headerFilled, start)
      this.#headerFilled += copied
      start += copied
      if (this.#headerFilled < headerLength) return start
      this.#message = Buffer.allocUnsafe(this.#header.readUInt32BE())
      this.#filled = 0
    }
    const copied = chunk.copy(this.#message, this.#filled, start)
    this.#filled += copied
    if (this.#filled === this.#message.length) {
      this.#headerFilled = 0
      listener(this.#message)
    }
    return start + copied
  }

  send(message) {
    const frame = Buffer.allocUnsafe(headerLength + message.length)
    frame.writeUInt32BE(message.length)
    message.copy(frame, headerLength)
    this.socket.write(frame)
  }

  onEnd(listener) {
    this.socket.on('end', listener)
  }

  close() {
    return new Promise(resolve => this.socket.once('close', resolve).end())
  }
}

/** FramedSocket or PacketSocket, behind the same methods. */
export class Messenger {
  constructor(socket) {
    this.socket = socket
  }

  onMessage(listener) {
    this.socket.on('message', listener)
  }

  send(message) {
    this.socket.send(message)
  }

  onEnd(listener) {
    this.socket.on('end', listener)
  }

  close() {
    return new Promise(resolve => {
      this.socket.on('close', resolve)
      this.socket.end()
    })
  }
}

async function udsockFramer() {
  const { FramedSocket } = await import('udsock')
  return class extends Messenger {
    constructor(socket) {
      super(new FramedSocket(socket))
    }
  }
}

/** The class that cuts and frames on a transport. */
export const framerOf = transport => (transport === 'node:net' ? CarefulFramer : udsockFramer())

/** Server side: for clients that bound what is in flight. */
export function echoMessages(framer) {
  framer.onMessage(message => framer.send(message))
  framer.onEnd(() => framer.close())
}

/** The same over sockets. */
export async function framedEcho(transport, corked) {
  const Framer = await framerOf(transport)
  return socket => echoMessages(new Framer(socket, corked))
}

async function conversation({ connect, transport, ...rest }, corked) {
  const Framer = await framerOf(transport)
  return pipelined({ connect: async () => new Framer(await connect(), corked), ...rest })
}

/** Calls back from the event loop: some addons emit events in a way after which promises do not go on. */
export const soon = callback => value => void setImmediate(() => callback(value))

/** Messages there and back over the framer that `connect` makes. */
export async function pipelined({ connect, pattern, arrivals, every }) {
  const framer = await connect()
  const checker = arrivals()
  const size = pattern.slices[0].length
  let receive
  let closing = false
  framer.onMessage(message => receive(message))
  framer.onEnd(() => {
    if (!closing) throw new Error('the connection ended early')
  })
  return {
    step: count =>
      new Promise(resolve => {
        checker.every = every()
        let sent = 0
        let received = 0
        const send = () => {
          sent++
          framer.send(pattern.next())
        }
        receive = message => {
          if (message.length !== size) throw new Error(`a message of ${message.length} bytes came back`)
          checker.take(message)
          if (++received === count) soon(resolve)({ operations: count })
          else if (received > count) throw new Error('more messages came back than were sent')
          else if (sent < count) send()
        }
        while (sent < Math.min(count, window)) send()
      }),
    checkers: [checker],
    close() {
      closing = true
      return framer.close()
    },
  }
}

export const framed = context => conversation(context, false)

/** node:net in its better form, corked by hand. */
export const framedCorked = context => conversation(context, true)
