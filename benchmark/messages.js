// Workloads of small messages that come back: each opens its connections and returns step(count), which
// resolves when `count` messages have made the round trip. An error on a socket is left to end the process,
// and so is a wrong byte.
const window = 256
const corkedTogether = 32

/** A connection that expects the pattern back, passes arrived bytes on, and must not end before it is closed. */
export async function conversation({ connect, arrivals }) {
  const socket = await connect()
  const checker = arrivals()
  const talk = {
    socket,
    checker,
    receive: () => {},
    async close() {
      socket.removeAllListeners('end')
      await new Promise(resolve => socket.once('close', resolve).end())
    },
  }
  socket.on('data', chunk => talk.receive(chunk))
  socket.on('end', () => {
    throw new Error('the connection ended early')
  })
  return talk
}

/** One message in flight; every round trip is a sample. */
export async function ping(context) {
  const { pattern } = context
  const size = pattern.slices[0].length
  const talk = await conversation(context)
  const { socket, checker } = talk
  return {
    step: count =>
      new Promise(resolve => {
        const latencies = new Float64Array(count)
        let done = 0
        let missing = size
        let started = 0
        const ask = () => {
          missing = size
          started = performance.now()
          socket.write(pattern.next())
        }
        talk.receive = chunk => {
          missing -= chunk.length
          if (missing === 0) latencies[done++] = performance.now() - started
          checker.take(chunk)
          if (missing > 0) return
          if (missing < 0) throw new Error('more bytes came back than were sent')
          if (done < count) ask()
          else resolve({ operations: count, latencies })
        }
        ask()
      }),
    checkers: [checker],
    close: () => talk.close(),
  }
}

/** One message in flight on each of 64 connections. */
export async function pingMany(context) {
  const { pattern } = context
  const { slices } = pattern
  const size = slices[0].length
  const talks = []
  for (let i = 0; i < 64; i++) talks.push(Object.assign(await conversation(context), { next: 0, missing: 0 }))
  return {
    step: count =>
      new Promise(resolve => {
        let asked = 0
        let done = 0
        const ask = talk => {
          if (asked === count) return
          asked++
          talk.missing = size
          talk.socket.write(slices[talk.next++ % slices.length])
        }
        for (const talk of talks)
          talk.receive = chunk => {
            talk.checker.take(chunk)
            talk.missing -= chunk.length
            if (talk.missing > 0) return
            if (talk.missing < 0) throw new Error('more bytes came back than were sent')
            if (++done === count) resolve({ operations: count })
            else ask(talk)
          }
        for (const talk of talks) ask(talk)
      }),
    checkers: talks.map(talk => talk.checker),
    close: () => Promise.all(talks.map(talk => talk.close())),
  }
}

/** 256 messages in flight on one connection; `corked` is given the transports that write them 32 at a time. */
async function pipelined(context, corked) {
  const { pattern } = context
  const size = pattern.slices[0].length
  const talk = await conversation(context)
  const { socket, checker } = talk
  return {
    step: count =>
      new Promise(resolve => {
        const wanted = count * size
        let sent = 0
        let received = 0
        const fill = () => {
          let room = Math.min(count - sent, window - (sent - Math.floor(received / size)))
          sent += room
          while (room > 0) {
            if (corked) socket.cork()
            for (let together = corked ? corkedTogether : room; together > 0 && room > 0; together--, room--)
              socket.write(pattern.next())
            if (corked) socket.uncork()
          }
        }
        talk.receive = chunk => {
          checker.take(chunk)
          received += chunk.length
          if (received < wanted) fill()
          else if (received === wanted) resolve({ operations: count })
          else throw new Error('more bytes came back than were sent')
        }
        fill()
      }),
    checkers: [checker],
    close: () => talk.close(),
  }
}

export const pipeline = context => pipelined(context, false)

/** node:net in its better form, corked by hand; ours without anything special. */
export const pipelineCorked = context => pipelined(context, context.transport === 'node:net')

/** Large chunks there and back, as fast as backpressure lets them. */
export async function echo(context) {
  const { pattern } = context
  const size = pattern.slices[0].length
  const talk = await conversation(context)
  const { socket, checker } = talk
  return {
    step: count =>
      new Promise(resolve => {
        let sent = 0
        let missing = count * size
        const pump = () => {
          while (sent < count) {
            sent++
            if (!socket.write(pattern.next())) return void socket.once('drain', pump)
          }
        }
        talk.receive = chunk => {
          checker.take(chunk)
          missing -= chunk.length
          if (missing === 0) resolve({ operations: count })
          else if (missing < 0) throw new Error('more bytes came back than were sent')
        }
        pump()
      }),
    checkers: [checker],
    close: () => talk.close(),
  }
}
