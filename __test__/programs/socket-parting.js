// Connects, and leaves in the way that its second argument names. With "net" as the third it does so by node:net.
import { connect as connectNet } from 'node:net'
import { connect } from '../../index.js'
import { address } from './socket-address.js'

const [, , path, way, by] = process.argv
const socket = by === 'net' ? connectNet(path) : await connect(address(path))
if (by === 'net') await new Promise(resolve => socket.once('connect', resolve))
const ways = {
  'write, destroy': () => {
    socket.write('last words')
    socket.destroy()
  },
  'write, exit': () => {
    socket.write('last words')
    process.exit(0)
  },
  'write in a timer, exit': () =>
    setTimeout(() => {
      socket.write('last words')
      process.exit(0)
    }, 1),
  'several writes, exit': () => {
    socket.write('last ')
    socket.write(Buffer.from('wor'))
    socket.write('6473', 'hex')
    process.exit(0)
  },
  "write in 'exit'": () => {
    process.on('exit', () => socket.write('last words'))
    process.exit(0)
  },
  "write, exit, write in 'exit'": () => {
    process.on('exit', () => {
      socket.write(' wo')
      socket.write('rds')
    })
    socket.write('last')
    process.exit(0)
  },
  'write in data, exit': () => {
    socket.on('data', () => {
      socket.write('last words')
      process.exit(0)
    })
    socket.write('?')
  },
  'write, throw': () => {
    socket.write('last words')
    throw new Error('on purpose')
  },
  'write a large chunk, destroy': () => {
    socket.write(Buffer.alloc(100_000, 'l'))
    socket.destroy()
  },
  'large chunks, exit': () => {
    socket.write(Buffer.alloc(50_000, 'l'))
    socket.write(Buffer.alloc(50_000, 'l'))
    process.exit(0)
  },
  'end with a chunk, exit': () => {
    socket.end('last words')
    process.exit(0)
  },
  flow: () => {
    const chunk = Buffer.alloc(65_536, 'k')
    const more = () => socket.write(chunk, more)
    more()
    socket.resume()
  },
  'write, stay': () => {
    socket.write('last words')
    socket.resume()
  },
}
ways[way]()
