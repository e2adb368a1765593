// Serves the descriptor of its argument: drains it at the first line of input, and prints how many waiting clients it has answered.
// Arguments: the uid of allowed peers, or nothing; the descriptor's number.
import { once } from 'node:events'
import { listen } from '../../index.js'

const [fd, uid] = process.argv.slice(2).map(Number).toReversed()
const listener = await listen({ fd }, uid === undefined ? {} : { allow: { uids: [uid] } })
console.log('serving')
await once(process.stdin, 'data')
await listener.close({ drain: true })
console.log(`stopped closed=${listener.closed}`)
await once(process.stdin, 'data')
process.stdin.destroy()
let served = 0
for await (const socket of listener) {
  served++
  socket.end('from the child')
}
console.log(`served ${served} closed=${listener.closed} refused=${listener.refused}`)
