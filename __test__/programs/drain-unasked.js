// Drains a listener while a client waits that no accept() takes, prints how much CPU two seconds of that cost, and ends.
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const listener = await listen(address(process.argv[2]))
const client = await connect(listener.path)
await listener.close({ drain: true })
const start = process.cpuUsage()
setTimeout(() => {
  const { user, system } = process.cpuUsage(start)
  console.log(JSON.stringify({ share: (user + system) / 2e6, closed: listener.closed }))
}, 2000)
client.unref()
