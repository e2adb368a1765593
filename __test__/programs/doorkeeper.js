// Listens with the options that it is given as JSON, at a path or on a descriptor's number, and greets the peers that it accepts. Prints 'listening' or an error's code, and
// when its input ends the peers' users and how many were refused.
import { chmodSync } from 'node:fs'
import { listen } from '../../index.js'

const [options, target] = process.argv.slice(2)
const fd = Number(target)
const users = []
try {
  const listener = await listen(Number.isNaN(fd) ? target : { fd }, JSON.parse(options))
  chmodSync(listener.path, 0o777)
  console.log('listening')
  process.stdin.on('end', () => listener.close()).resume()
  for await (const socket of listener) {
    users.push(socket.peer.uid)
    socket.end('welcome')
    socket.resume()
  }
  console.log(JSON.stringify({ users, refused: listener.refused }))
} catch (error) {
  console.log(error.code)
  process.exit()
}
