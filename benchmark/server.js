// The server process: serves one address in one role until it is told to stop. Its orders come over the process
// channel ('usage', 'memory', 'stop'); when that breaks, it ends.
import { sink, source } from './bulk.js'
import { farewell, greet } from './connections.js'
import { framedEcho } from './framed.js'
import { settledMemory } from './memory.js'
import { Pattern } from './pattern.js'
import { httpService } from './requests.js'
import { transport } from './transport.js'

const { transport: name, address, role, bytes, backlog = 511, options } = JSON.parse(process.argv[2])

/** For clients that bound what is in flight. */
function echo(socket) {
  socket.on('data', chunk => socket.write(chunk))
  socket.on('end', () => socket.end())
}

const roles = {
  echo: () => echo,
  /** For clients that do not. */
  pipe: () => socket => socket.pipe(socket),
  source: () => socket => source(socket, new Pattern(bytes.size, bytes.slices)),
  sink: () => {
    const pattern = new Pattern(bytes.size, bytes.slices)
    return socket => sink(socket, pattern)
  },
  farewell: () => farewell,
  greet: () => greet,
  framed: () => framedEcho(name, false),
  framedCorked: () => framedEcho(name, true),
  http: httpService,
}

const server = await (await transport(name)).serve(address, backlog, await roles[role](), options)

process.on('disconnect', () => process.exit(1))
process.on('message', async order => {
  if (order === 'usage') process.send({ type: 'usage', usage: process.cpuUsage() })
  if (order === 'memory') process.send({ type: 'memory', memory: settledMemory() })
  if (order !== 'stop') return
  await server.close()
  process.removeAllListeners('disconnect')
  process.disconnect()
})
process.send({ type: 'ready' })
