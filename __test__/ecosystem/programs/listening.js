// Serves a listener that it inherits, or in a worker of cluster one of its own, and reports to its parent.
import cluster from 'node:cluster'
import { listen } from '../../../index.js'
import { createServer } from '../../../net.js'

const [kind, place, onExisting] = process.argv.slice(2)
const say = message => process.send(message)
const greeting = `process ${process.pid}`

async function serve(listener) {
  listener.on('superseded', () => say('superseded'))
  say('listening')
  for await (const socket of listener) socket.end(greeting)
  say('closed')
}

if (kind === 'fd') {
  const listener = await listen({ fd: Number(place) })
  process.on('message', () => listener.close().then(() => process.disconnect()))
  await serve(listener)
} else if (kind === 'path') {
  const listener = await listen(place, { onExisting })
  process.on('message', () => listener.close().then(() => process.disconnect()))
  await serve(listener)
} else {
  const server = createServer(socket => socket.end(greeting))
  server.on('listening', () => say('listening'))
  server.on('error', error => say(error.code))
  process.on('message', () => cluster.worker.disconnect())
  server.listen(place)
}
