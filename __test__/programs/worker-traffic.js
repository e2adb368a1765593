// A worker in full traffic: listeners, sockets of its own in both directions, sockets to the main thread, connects that
// wait and accepts that wait. It never stops; it is terminated.
import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { abstractName, connect, listen } from '../../index.js'

const ignore = () => {}
let echoed = 0

function count(chunk) {
  const before = echoed
  echoed += chunk.length
  // Everything below runs by now.
  if (before < workerData.bytes && echoed >= workerData.bytes) parentPort.postMessage('in full traffic', [])
}

/** Writes without end, as fast as the peer takes it. */
function flood(socket, chunk) {
  socket.on('error', ignore).on('data', count)
  const write = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', write)
  write()
}

/** One message in flight, without end. */
function pingPong(socket) {
  socket.on('error', ignore).on('data', chunk => socket.write(chunk))
  socket.write('ping')
}

async function serve(listener) {
  for await (const socket of listener) {
    socket.on('error', ignore)
    socket.pipe(socket)
  }
}

const own = await listen(abstractName(`udsock-worker-${randomBytes(8).toString('hex')}`))
void serve(own)
const full = await listen(abstractName(`udsock-worker-${randomBytes(8).toString('hex')}`), { backlog: 0 })
await connect(full.path)
for (let waiting = 0; waiting < 3; waiting++) void connect(full.path).catch(ignore)

// Connections that come and go all the time.
async function comeAndGo() {
  for (;;) {
    const socket = await connect(own.path)
    socket.on('error', ignore).end('hello')
    for await (const chunk of socket) count(chunk)
  }
}
void comeAndGo()

for (const path of [own.path, workerData.path]) {
  flood(await connect(path), Buffer.alloc(64 * 1024))
  flood(await connect(path), Buffer.alloc(300))
  pingPong(await connect(path))
}
