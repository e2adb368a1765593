// Workloads that open and close connections. An attempt that fails is counted and made again after a millisecond,
// so that a figure exists; the report prints the failures beside it.
import { setTimeout as delay } from 'node:timers/promises'

const inFlight = 32
const greeting = 'welcome\n'

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

/** Connects, sends one byte, receives it back, ends and closes, 32 in flight. */
export async function churn({ connect }) {
  const { attempt, failures } = persistent(connect)
  const byte = Buffer.from([0x2a])
  const total = { bytes: 0, finish() {} }
  const visit = async () => {
    const socket = await attempt()
    socket.on('data', chunk => {
      if (chunk.length !== 1 || chunk[0] !== byte[0]) throw new Error('a wrong byte came back')
      total.bytes++
      socket.end()
    })
    const closed = new Promise(resolve => socket.once('close', resolve))
    socket.write(byte)
    await closed
  }
  return {
    async step(count) {
      let begun = 0
      const worker = async () => {
        while (begun < count) {
          begun++
          await visit()
        }
      }
      const before = total.bytes
      await Promise.all(Array.from({ length: inFlight }, worker))
      if (total.bytes - before !== count)
        throw new Error(`${total.bytes - before} of ${count} bytes came back`)
      return { operations: count, failures: taken(failures) }
    },
    checkers: [total],
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
