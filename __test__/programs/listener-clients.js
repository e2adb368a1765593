// Clients that send their numbers, one after the other: `node listener-clients.js <path or @name> <count>`.
import { abstractName, connect } from '../../index.js'

const [argument, count] = process.argv.slice(2)
const path = argument.startsWith('@') ? abstractName(argument.slice(1)) : argument
for (let number = 0; number < Number(count); number++) {
  const socket = await connect(path)
  socket.resume().end(String(number))
}
