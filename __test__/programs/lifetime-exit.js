// Connects to the second argument, and ends in the way that the first names, while a peer's bytes arrive.
import { connect } from '../../index.js'

const [how, path] = process.argv.slice(2)
const socket = await connect(path)

function farewell() {
  socket.write('last ')
  socket.write(Buffer.alloc(100_000, 'w'))
  socket.write(' words')
}

const ways = {
  'in a data callback'() {
    socket.on('data', () => {
      farewell()
      process.exit(7)
    })
  },
  'in a data callback after end()'() {
    socket.on('data', () => {
      farewell()
      socket.end()
      process.exit(7)
    })
  },
  'in the callback of a write'() {
    socket.on('data', () => {
      farewell()
      socket.write('!', () => process.exit(7))
    })
  },
  async "in the callback of another socket's write"() {
    const other = await connect(path)
    socket.on('data', () => {
      // More than the kernel takes at once: the callback comes in a flush, behind this socket's own.
      other.write(Buffer.alloc(4 << 20), () => {
        farewell()
        process.exit(7)
      })
    })
  },
  'outside of any callback of a socket'() {
    socket.once('data', () => {
      setImmediate(() => {
        farewell()
        process.exit(7)
      })
    })
  },
  'by an uncaught exception'() {
    socket.on('data', () => {
      farewell()
      throw new Error('as it should be')
    })
  },
  'while several sockets have something to say'() {
    socket.on('data', async () => {
      const others = await Promise.all([connect(path), connect(path), connect(path)])
      for (const other of others) other.write('last words')
      farewell()
      process.exit(7)
    })
  },
}

ways[how]()
