// Many connections on which little is sent at a time: 200 of them, a message each millisecond on every one.
import { answerLength, header, open, reader } from './bulk.js'

const connections = 200

/** One sender: announces how many messages come, waits until the server is ready, and resolves once it has them. */
async function sender({ connect, pattern }) {
  const { socket, close } = await open(connect)
  const { slices } = pattern
  const size = slices[0].length
  const total = { bytes: 0, finish() {} }
  let next = 0
  let answered
  const onAnswer = reader(socket, answerLength, whole => answered(whole.readDoubleLE(0)))
  socket.on('data', chunk => onAnswer(chunk))
  const answer = () => new Promise(resolve => void (answered = resolve))
  return {
    sent: 0,
    total,
    close,
    async announce(count) {
      this.sent = 0
      const ready = answer()
      socket.write(header(count * size, 1))
      await ready
    },
    /** Sends what is due, unless the socket still asks for patience. */
    send(due) {
      while (this.sent < due && !socket.writableNeedDrain) {
        this.sent++
        socket.write(slices[next])
        next = (next + 1) % slices.length
      }
    },
    async delivered(count) {
      const bytes = await answer()
      if (bytes !== count * size) throw new Error(`${bytes} of ${count * size} bytes arrived`)
      total.bytes += bytes
    },
  }
}

export async function fanIn(context) {
  const senders = []
  for (let i = 0; i < connections; i++) senders.push(await sender(context))
  return {
    async step(operations, clock) {
      const count = Math.ceil(operations / connections)
      await Promise.all(senders.map(one => one.announce(count)))
      clock.restart()
      const delivered = Promise.all(senders.map(one => one.delivered(count)))
      const timer = setInterval(() => {
        const due = Math.min(count, Math.floor(clock.lap()))
        for (const one of senders) one.send(due)
        if (senders.every(one => one.sent === count)) clearInterval(timer)
      }, 1)
      await delivered
      return { operations: count * connections }
    },
    checkers: senders.map(one => one.total),
    close: () => Promise.all(senders.map(one => one.close())),
  }
}
