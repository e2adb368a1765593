// Connects, does what its second argument names, and ends when nothing keeps it alive.
import { connect } from '../../index.js'
import { address } from './socket-address.js'

const [, , path, what] = process.argv
const socket = await connect(address(path))
socket.on('end', () => console.log('end'))
if (what !== 'paused' && !what.endsWith('write')) socket.on('data', chunk => console.log(String(chunk)))
if (what === 'unref' || what === 'unref and timeout') socket.unref()
if (what === 'unref, ref') socket.unref().ref()
if (what === 'unref and timeout') socket.setTimeout(60_000)
if (what === 'write') {
  socket.write(Buffer.alloc(4 * 1024 * 1024, 'w'))
}
if (what === 'unref and write') {
  socket.unref()
  socket.write(Buffer.alloc(4 * 1024 * 1024, 'w'))
}
process.on('exit', () => console.log(socket.destroyed ? 'closed' : 'open'))
