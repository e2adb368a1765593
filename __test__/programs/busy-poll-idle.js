// Listens at its argument, has one short conversation with `busyPoll`, and prints how many microseconds of CPU the next second took.
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const listener = await listen(address(process.argv[2]), { busyPoll: 1000 })
const client = await connect(listener.path, { busyPoll: 1000 })
const server = await listener.accept()
server.pipe(server)
client.resume()
client.write('a word')
await new Promise(resolve => setTimeout(resolve, 100))
const before = process.cpuUsage()
await new Promise(resolve => setTimeout(resolve, 1000))
const { user, system } = process.cpuUsage(before)
console.log(user + system)
process.exit()
