import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import { type ExecutionContext } from 'ava'
import ourNet from '../../net.js'
import { directory, listening, once } from './sockets.js'

type Taker = (t: ExecutionContext, take: (socket: Socket) => void) => Promise<string>

const byServer =
  (implementation: unknown): Taker =>
  async (t, take) => {
    const server = (implementation as typeof net).createServer({ allowHalfOpen: true }, socket => {
      t.teardown(() => socket.destroy())
      take(socket)
    })
    const path = join(directory(t), 's')
    server.listen(path)
    await once(server, 'listening')
    t.teardown(() => server.close())
    return path
  }

/** Ways to pass each connection to `take`, which is destroyed after the test. Each returns the path on which it listens. */
export const takers: Record<string, Taker> = {
  'accept()': async (t, take) => {
    const listener = await listening(t, 'path', { backlog: 511 })
    void (async () => {
      for await (const socket of listener) {
        t.teardown(() => socket.destroy())
        take(socket as unknown as Socket)
      }
    })()
    return String(listener.path)
  },
  'udsock/net': byServer(ourNet),
  'node:net': byServer(net),
}

/** The ways of this package. */
export const ourTakers = Object.entries(takers).filter(([name]) => name !== 'node:net')
