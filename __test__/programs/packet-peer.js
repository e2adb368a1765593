// A client of a listener for packets: sends 'ready', and answers every message until it is killed. With 'idle' it sends nothing and does not
// read: nothing keeps it alive.
import { connect } from '../../index.js'
import { address as addressOf } from './socket-address.js'

const [address, mode] = process.argv.slice(2)
const socket = await connect(addressOf(address), { type: 'seqpacket' })
if (mode === 'idle') {
  process.on('exit', () => console.log('over'))
} else {
  socket.on('message', message => socket.send(`re: ${message}`))
  socket.send('ready')
}
