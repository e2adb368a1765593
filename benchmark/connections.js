// Workloads that open and close connections. An attempt that fails is counted and made again after a millisecond,
// so that a figure exists; the report prints the failures beside it.
import { setTimeout as delay } from 'node:timers/promises'

const inFlight = 32
const greeting = 'welcome\n'

/** Server side of `churn`: closes when the client has. */
export function farewell(socket) {
  socket.on('end', () => socket.end())
  socket.resume()
}

/** Server side of `storm`: a greeting proves that the connection was accepted. */
export function greet(socket) {
  socket.end(greeting)
  socket.resume()
}

/** Counts failed attempts by code. */
function persistent(connect) {
  const failures = {}
  const attempt = async () => {
    for (;;) {
      try {
        return await connect()
      } catch (error) {
        failures[error.code] = (failures[error.code] ?? 0) + 1
        await delay(1)
      }
    }
  }
  return { attempt, failures }
}

/** Empties `failures` into a fresh object. */
function taken(failures) {
  const result = { ...failures }
  for (const code of Object.keys(failures)) delete failures[code]
  return result
}

/** Connect, accept, close, 32 in flight. Connections are accepted in order, so the last one proves all of them. */
export async function churn({ connect }) {
  const { attempt, failures } = persistent(connect)
  return {
    async step(count) {
      let begun = 0
      const worker = async () => {
        while (begun < count - 1) {
          begun++
          const socket = await attempt()
          await new Promise(resolve => socket.once('close', resolve).destroy())
        }
      }
      await Promise.all(Array.from({ length: inFlight }, worker))
      const last = await attempt()
      last.resume()
      await new Promise(resolve => last.once('close', resolve).end())
      return { operations: count, failures: taken(failures) }
    },
    checkers: [],
    async close() {},
  }
}

/** `count` connects in one tick, many more than the backlog holds. */
export async function storm({ connect }) {
  const { attempt, failures } = persistent(connect)
  const total = { bytes: 0, finish() {} }
  const visit = async () => {
    const socket = await attempt()
    let received = ''
    socket.on('data', chunk => void (received += chunk.toString('latin1')))
    socket.on('end', () => socket.end())
    await new Promise(resolve => socket.once('close', resolve))
    if (received !== greeting) throw new Error(`wrong greeting: '${received}'`)
    total.bytes += received.length
  }
  return {
    async step(count) {
      await Promise.all(Array.from({ length: count }, visit))
      return { operations: count, failures: taken(failures) }
    },
    checkers: [total],
    async close() {},
  }
}
