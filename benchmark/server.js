// The server process: serves one address in one role until its parent stops it. Its orders come over the process
// channel ('usage', 'memory', 'stop'); when that breaks, it ends.
import { sink, source } from './bulk.js'
import { greet } from './connections.js'
import { datagramEcho, datagramSink } from './datagrams.js'
import { descriptorSink } from './descriptors.js'
import { echoMessages, framedEcho } from './framed.js'
import { helloServer } from './http-requests.js'
import { rpcService } from './jsonrpc.js'
import { lineService } from './lines.js'
import { settledMemory } from './memory.js'
import { Pattern } from './pattern.js'
import { httpService } from './requests.js'
import { slowEcho } from './round-trips.js'
import { transport } from './transport.js'
import { websocketServer } from './websocket.js'

const spec = JSON.parse(process.argv[2])
const { transport: name, address, role, bytes, backlog = 511, options } = spec

/** For clients that bound what is in flight. */
function echo(socket) {
  socket.on('data', chunk => socket.write(chunk))
  socket.on('end', () => socket.end())
}

/** A socket-to-socket pipe to the server at `target`, both ways. */
async function forward(socket, target) {
  const onward = await ends.connect(target, options)
  socket.pipe(onward).pipe(socket)
}

/** Servers of node:http. */
const httpRoles = { hello: helloServer, websocket: websocketServer }

const roles = {
  echo: () => echo,
  /** For clients that do not. */
  pipe: () => socket => socket.pipe(socket),
  source: () => socket => source(socket, new Pattern(bytes.size, bytes.slices)),
  sink: () => {
    const pattern = new Pattern(bytes.size, bytes.slices)
    return socket => sink(socket, pattern)
  },
  greet: () => greet,
  framed: () => framedEcho(name, false),
  framedCorked: () => framedEcho(name, true),
  http: httpService,
  lines: () => lineService,
  jsonrpc: () => rpcService,
  slow: () => slowEcho(spec.think),
  proxy: () => socket => forward(socket, spec.target),
  datagramEcho: () => datagramEcho,
  datagramSink: () => {
    const pattern = new Pattern(bytes.size, bytes.slices)
    return endpoint => datagramSink(endpoint, pattern)
  },
  packetEcho: () => echoMessages,
  descriptorSink: () => {
    const pattern = new Pattern(bytes.size, bytes.slices)
    return end => descriptorSink(end, pattern)
  },
}

const ends = await transport(name, spec.carries)
const server =
  role in httpRoles
    ? await ends.serveHttp(httpRoles[role](), address, backlog)
    : await ends.serve(address, backlog, await roles[role](), options)

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
