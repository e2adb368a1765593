// The package usocket, as far as dbus-next uses it: a face of a UnixSocket that gives descriptors as numbers.
const { EventEmitter } = require('node:events')
const { connect } = require('../../../../lib/index.cjs')

exports.USocket = class USocket extends EventEmitter {
  #socket
  /** The numbers of the descriptors that have arrived and were not read. */
  #fds = []

  constructor({ path }) {
    super()
    connect(path, { receiveDescriptors: 16, allowHalfOpen: false }).then(
      socket => this.#begin(socket),
      error => this.emit('error', error),
    )
  }

  #begin(socket) {
    this.#socket = socket
    socket.on('descriptors', descriptors => {
      for (const descriptor of descriptors) this.#fds.push(descriptor.release())
    })
    for (const event of ['readable', 'end', 'error', 'close'])
      socket.on(event, argument => this.emit(event, argument))
    this.emit('connected')
  }

  get writable() {
    return this.#socket.writable
  }

  write(chunk) {
    const { data, fds } = chunk.fds === undefined ? { data: chunk, fds: [] } : chunk
    return this.#socket.write(data, { descriptors: fds })
  }

  /** With a second argument it also returns the descriptors. */
  read(size, count) {
    const data = this.#socket.read(size)
    return data === null || count === undefined ? data : { data, fds: this.#fds.splice(0) }
  }

  end() {
    this.#socket.end()
  }
}
