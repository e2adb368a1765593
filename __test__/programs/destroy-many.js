// Destroys many connections with unread input in one tick, and prints how many of their clients read a clean end, and for
// how many milliseconds sockets closed, as JSON. The other clients read ECONNRESET. Arguments: 'node:net', 'udsock/net' or 'udsock', a path, how many connections, and how many
// bytes each. With a fifth argument it is the process of the clients, which read to the end.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import nodeNet from 'node:net'
import { fileURLToPath } from 'node:url'
import { listen } from '../../index.js'
import ourNet from '../../net.js'
import './settled.js'

const [kind, path, count, bytes, role] = process.argv.slice(2)
const many = Number(count)

async function accepted() {
  const sockets = []
  const take = socket => sockets.push(socket.on('error', () => {}))
  if (kind === 'udsock') {
    const listener = await listen(path, { backlog: 4096 })
    const clients = begin()
    while (sockets.length < many) take(await listener.accept())
    await listener.close()
    return [sockets, clients]
  }
  const server = (kind === 'node:net' ? nodeNet : ourNet).createServer({ pauseOnConnect: true }, take)
  await once(server.listen({ path, backlog: 4096 }), 'listening')
  const clients = begin()
  while (sockets.length < many) await once(server, 'connection')
  server.close()
  return [sockets, clients]
}

const begin = () =>
  spawn(process.execPath, [fileURLToPath(import.meta.url), kind, path, count, bytes, 'clients'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })

if (role === 'clients') {
  const chunk = Buffer.alloc(Number(bytes))
  let written = 0
  let left = many
  let resets = 0
  for (let i = 0; i < many; i++) {
    const socket = nodeNet.connect(path).resume()
    socket.on('error', ({ code }) => code === 'ECONNRESET' && resets++)
    // The kernel has taken all of it.
    socket.write(chunk, () => ++written === many && console.log('written'))
    socket.on('close', () => --left === 0 && console.log(many - resets))
  }
} else {
  const [sockets, clients] = await accepted()
  await once(clients.stdout, 'data')
  const cleanEnds = once(clients.stdout, 'data')
  const closed = Promise.all(sockets.map(socket => once(socket, 'close')))
  const start = performance.now()
  for (const socket of sockets) socket.destroy()
  await closed
  const milliseconds = performance.now() - start
  console.log(JSON.stringify({ cleanEnds: Number(String(await cleanEnds)), milliseconds }))
}
