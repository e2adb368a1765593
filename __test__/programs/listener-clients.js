// Clients that send their numbers, one after the other: `node listener-clients.js <path or @hexadecimal name> <count>`.
import { connect } from '../../index.js'
import { address } from './socket-address.js'

const [argument, count] = process.argv.slice(2)
const path = address(argument)
for (let number = 0; number < Number(count); number++) {
  const socket = await connect(path)
  socket.resume().end(String(number))
}
