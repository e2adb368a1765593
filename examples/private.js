// A request to a process of the same user, at an abstract name (Linux): `node examples/private.js [name]`
//
// Such a name has no file permissions: every process can connect to it, or take it first. So each end checks the user of the other.
import { abstractName, connect, listen } from 'udsock'

const name = abstractName(process.argv[2] ?? 'udsock-private')
const listener = await listen(name, { allow: 'self' })
const answering = (async () => {
  for await (const socket of listener) {
    socket.end(`hello, user ${socket.peer.uid}\n`)
    socket.resume()
  }
})()

const socket = await connect(name, { peerUid: process.geteuid() })
socket.end()
for await (const chunk of socket) process.stdout.write(chunk)

await listener.close()
await answering
console.log(`${listener.refused} refused`)
