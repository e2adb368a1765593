// A statsd client that never blocks its program, and counts what it drops: `node examples/statsd.js [path]`
import { once } from 'node:events'
import { bindDatagram } from 'udsock'

const path = process.argv[2] ?? 'statsd.sock'
/** Bytes of the longest datagram that servers take; Datadog's has this limit. */
const longest = 8192

/** Gathers metrics for a moment, and sends them as one datagram. */
class Statsd {
  #socket
  #server
  #lines = []
  /** Bytes of the lines, which are ASCII. */
  #length = 0

  static async connect(server) {
    // A full or missing server must not hold up the program.
    const socket = await bindDatagram(undefined, { whenFull: 'drop' })
    return new Statsd(socket, server)
  }

  constructor(socket, server) {
    this.#socket = socket
    this.#server = server
  }

  count(name, value = 1) {
    const line = `${name}:${value}|c\n`
    if (this.#length + line.length > longest) this.#flush()
    this.#length += line.length
    if (this.#lines.push(line) === 1) setImmediate(() => this.#flush())
  }

  #flush() {
    if (this.#lines.length === 0) return
    const message = this.#lines.splice(0).join('').trimEnd()
    this.#length = 0
    this.#socket.send(message, { to: this.#server }, error => {
      if (error && error.code !== 'ERR_MESSAGE_DROPPED') console.error(error.message)
    })
  }

  get dropped() {
    return this.#socket.dropped
  }

  async close() {
    this.#flush()
    await this.#socket.close()
  }
}

// A server for this example. Yours may be Datadog's agent, telegraf or statsd itself.
const agent = await bindDatagram(path, { onExisting: 'replaceStale', unlinkOnClose: true })
const received = once(agent, 'message')

const statsd = await Statsd.connect(path)
statsd.count('requests')
statsd.count('bytes', 512)
await statsd.close()

const [message] = await received
console.log(String(message))
console.log(`${statsd.dropped} dropped`)
await agent.close()
