// Packets both ways while system calls fail. Usage: packets.js RULES SEED.
import { socketpair } from '../../index.js'
import { errorsOf, twoRounds } from './rounds.js'

const total = 1500

/** The message of this number: its length and its bytes depend on it. Every tenth is empty. */
const messageOf = number => Buffer.alloc(number % 10 === 0 ? 0 : (number * 37) % 9000, number % 251)

async function send(socket) {
  const closed = new Promise(resolve => socket.once('close', () => resolve('closed')))
  for (let number = 0; number < total; number++) {
    if (socket.send(messageOf(number))) continue
    const drained = new Promise(resolve => socket.once('drain', resolve))
    if ((await Promise.race([drained, closed])) === 'closed') return
  }
  socket.end()
}

async function receive(socket, broken) {
  let count = 0
  try {
    for await (const message of socket)
      if (!message.equals(messageOf(count++))) broken.push(`message ${count - 1} is not what was sent`)
  } catch {
    // The socket's 'error' has it.
  }
  return count
}

await twoRounds(async () => {
  const pair = socketpair({ type: 'seqpacket', highWaterMark: 20_000, allowHalfOpen: true })
  const errors = errorsOf(pair)
  const broken = []
  const [, , ...counts] = await Promise.all([
    ...pair.map(send),
    ...pair.map(socket => receive(socket, broken)),
  ])
  for (const socket of pair) socket.destroy()
  return { errors, counts, broken }
})
