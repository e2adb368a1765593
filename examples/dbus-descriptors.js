// Files over D-Bus: a service that counts the lines of an open file that a client passes (an `h` argument).
// Run it with the path of a bus: `node examples/dbus-descriptors.js /run/user/1000/bus`
import { closeSync, openSync, readFileSync } from 'node:fs'
import { EventEmitter, once } from 'node:events'
import { connect } from 'udsock'

const padding = (length, alignment) => Buffer.alloc((alignment - (length % alignment)) % alignment)
const uint32 = value => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const string = text => Buffer.concat([uint32(Buffer.byteLength(text)), Buffer.from(`${text}\0`)])
const signature = text => Buffer.from([text.length, ...Buffer.from(`${text}\0`)])

/** A field of the header: its code, its type and its value. */
const field = (code, type, value) =>
  Buffer.concat([
    Buffer.from([code]),
    signature(type),
    type === 'g' ? signature(value) : type === 'u' ? uint32(value) : string(value),
  ])

/** One connection to a bus. It emits 'call' with each method call, and its descriptors. */
class Bus extends EventEmitter {
  #socket
  #serial = 0
  #received = Buffer.alloc(0)
  /** Descriptors that have arrived: each message says how many of them are its own. */
  #descriptors = []
  #answers = new EventEmitter()
  #closed = new AbortController()

  static async connect(path) {
    const bus = new Bus(await connect(path, { receiveDescriptors: 16 }))
    await bus.#authenticate()
    await bus.call({ destination: 'org.freedesktop.DBus', member: 'Hello' })
    return bus
  }

  constructor(socket) {
    super()
    this.#socket = socket
    socket.on('descriptors', descriptors => this.#descriptors.push(...descriptors))
    socket.on('close', () => this.#closed.abort())
  }

  /** The lines that come before the first message. */
  async #authenticate() {
    const socket = this.#socket
    const user = Buffer.from(String(process.getuid())).toString('hex')
    socket.write(`\0AUTH EXTERNAL ${user}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`)
    let text = ''
    await new Promise((resolve, reject) => {
      socket.on('error', reject)
      socket.on('data', chunk => {
        if (!text.endsWith('AGREE_UNIX_FD\r\n')) {
          text += chunk.toString('latin1')
          if (text.endsWith('AGREE_UNIX_FD\r\n')) resolve(undefined)
          else if (/^(REJECTED|ERROR)/m.test(text)) reject(new Error(text))
        } else {
          this.#received = Buffer.concat([this.#received, chunk])
          this.#parse()
        }
      })
    })
  }

  #send(type, fields, body = Buffer.alloc(0), descriptors = []) {
    const serial = ++this.#serial
    if (descriptors.length > 0) fields.push(field(9, 'u', descriptors.length))
    let header = Buffer.alloc(0)
    for (const each of fields) header = Buffer.concat([header, padding(header.length, 8), each])
    const start = Buffer.concat([Buffer.from([0x6c, type, 0, 1]), uint32(body.length), uint32(serial)])
    const message = [start, uint32(header.length), header, padding(header.length, 8), body]
    this.#socket.write(Buffer.concat(message), { descriptors })
    return serial
  }

  /** Calls a method; resolves with the reply's body and descriptors. */
  async call({
    destination,
    path = '/',
    interface: name = destination,
    member,
    types = '',
    body = Buffer.alloc(0),
    descriptors = [],
  }) {
    const fields = [
      field(1, 'o', path),
      field(2, 's', name),
      field(3, 's', member),
      field(6, 's', destination),
    ]
    if (types !== '') fields.push(field(8, 'g', types))
    const serial = this.#send(1, fields, body, descriptors)
    // Rejects when the connection closes.
    const [error, reply] = await once(this.#answers, `${serial}`, { signal: this.#closed.signal })
    if (error) throw error
    return reply
  }

  /** Answers a call. */
  reply(call, types, body) {
    this.#send(2, [field(5, 'u', call.serial), field(6, 's', call.sender), field(8, 'g', types)], body)
  }

  #parse() {
    for (;;) {
      const bytes = this.#received
      if (bytes.length < 16) return
      const headerEnd = 16 + bytes.readUInt32LE(12)
      const bodyStart = headerEnd + ((8 - (headerEnd % 8)) % 8)
      const end = bodyStart + bytes.readUInt32LE(4)
      if (bytes.length < end) return
      this.#received = bytes.subarray(end)
      this.#dispatch(
        bytes[1],
        bytes.readUInt32LE(8),
        fieldsOf(bytes.subarray(16, headerEnd)),
        bytes.subarray(bodyStart, end),
      )
    }
  }

  #dispatch(type, serial, fields, body) {
    const descriptors = this.#descriptors.splice(0, fields[9] ?? 0)
    const message = { serial, sender: fields[7], member: fields[3], body, descriptors }
    if (type === 1) {
      this.emit('call', message)
      return
    }
    if (type === 2) this.#answers.emit(`${fields[5]}`, undefined, message)
    else if (type === 3) this.#answers.emit(`${fields[5]}`, new Error(fields[4]))
    else for (const descriptor of descriptors) descriptor.close()
  }

  close() {
    this.#socket.destroy()
  }
}

/** The header's fields by their codes, of the types that headers have. */
function fieldsOf(bytes) {
  const fields = {}
  for (let at = 0; at < bytes.length;) {
    const [code, type] = [bytes[at], String.fromCharCode(bytes[at + 2])]
    at += 4
    if (type === 'u') {
      fields[code] = bytes.readUInt32LE(at)
      at += 4
    } else {
      const length = type === 'g' ? bytes[at] : bytes.readUInt32LE(at)
      at += type === 'g' ? 1 : 4
      fields[code] = bytes.toString('utf8', at, at + length)
      at += length + 1
    }
    at += (8 - (at % 8)) % 8
  }
  return fields
}

const path = process.argv[2]
const name = `org.example.Lines${process.pid}`

const service = await Bus.connect(path)
service.on('call', call => {
  const [file] = call.descriptors
  const text = readFileSync(file.fd, 'utf8')
  file.close()
  service.reply(call, 'u', uint32(text.split('\n').length - 1))
})
const request = Buffer.concat([string(name), padding(string(name).length, 4), uint32(0)])
await service.call({ destination: 'org.freedesktop.DBus', member: 'RequestName', types: 'su', body: request })

const client = await Bus.connect(path)
const file = openSync('lines.txt', 'r')
// An `h` is an index into the descriptors of its message.
const { body } = await client.call({
  destination: name,
  member: 'Count',
  types: 'h',
  body: uint32(0),
  descriptors: [file],
})
closeSync(file)
console.log(`${body.readUInt32LE(0)} lines`)

client.close()
service.close()
