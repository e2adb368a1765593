// Argument: a path. Greets each client, and prints when it listens; at a line, the shortages that were reported to it.
import { createInterface } from 'node:readline'
import { listen } from '../../index.js'

const listener = await listen(process.argv[2], { backlog: 16 })
const overloads = []
listener.on('overload', overload => overloads.push(overload.code))
createInterface(process.stdin).once('line', () => {
  console.log(JSON.stringify(overloads))
  process.exit()
})
console.log('listening')
for await (const socket of listener) socket.on('error', () => {}).end('welcome')
