import { createServer as createNetServer } from 'node:net'
import { connect as connectOurs, listen } from '../../index.js'
import { connect } from '../../net.js'
import { once, places } from '../helpers/sockets.ts'

export const MiB = 1024 * 1024

/** Places that node:net, too, can name: Node 20 pads shorter names to 108 bytes. */
export const sharedPlaces = {
  path: places.path,
  'abstract name': () => {
    const name = places['abstract name']()
    return Buffer.concat([name, Buffer.alloc(108 - name.length, 'x')])
  },
}

/** A path as node:net takes it. */
export const asText = path => (typeof path === 'string' ? path : Buffer.from(path).toString())

export { once, receiveAll as collect } from '../helpers/sockets.ts'
export { sha256 } from '../helpers/streams.ts'

/** Hands what a listener of ours accepts to `take`; all are closed after the test. */
export async function ourListener(t, path, take) {
  const listener = await listen(path, { backlog: 511, allowHalfOpen: false })
  const accepted = []
  const loop = (async () => {
    for await (const socket of listener) {
      accepted.push(socket)
      take(socket)
    }
  })()
  t.teardown(async () => {
    await listener.close()
    await loop
    for (const socket of accepted) socket.destroy()
  })
  return accepted
}

/** The same by a server of node:net's kind. */
export const listenerBy = createServer => async (t, path, take) => {
  const accepted = []
  const server = createServer(socket => {
    accepted.push(socket)
    take(socket)
  })
  server.listen(asText(path))
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of accepted) socket.destroy()
  })
  return accepted
}

export const netListener = listenerBy(createNetServer)

export const listeners = { 'our listener': ourListener, "node:net's server": netListener }

/** A connected socket of ours, and one of `udsock/net` that connects. */
export const clients = { ours: path => connectOurs(path), 'udsock/net': async path => connect(asText(path)) }
