import { once } from 'node:events'
import nodeNet from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import ourNet from '../../net.js'
import { directory } from '../helpers/sockets.js'

interface Stranger {
  path: string
  socket: nodeNet.Socket
  received: () => string
}

/** A connection of ours, and what its peer receives. The server is node:net's, so that the smallest ids are connections'. */
async function stranger(t: ExecutionContext): Promise<Stranger> {
  let received = ''
  const server = nodeNet.createServer({ allowHalfOpen: true }, accepted => {
    accepted.setEncoding('utf8').on('data', (data: string) => (received += data))
    accepted.on('end', () => {
      received += '<end>'
      accepted.end()
    })
    accepted.on('error', ({ message }) => (received += `<${message}>`))
  })
  const path = join(directory(t), 's')
  await once(server.listen(path), 'listening')
  t.teardown(() => server.close())
  const socket = ourNet.connect(path) as unknown as nodeNet.Socket
  await once(socket, 'connect')
  await new Promise<unknown>(resolve => socket.write('one ', () => resolve(undefined)))
  return { path, socket, received: () => received }
}

async function wasLeftAlone(t: ExecutionContext, { socket, received }: Stranger): Promise<void> {
  await new Promise<void>(resolve => socket.end('two', resolve))
  await once(socket.resume(), 'close')
  t.is(received(), 'one two<end>')
}

type Use = (socket: nodeNet.Socket) => void
const uses: Record<string, Use> = {
  'end()': socket => socket.end(),
  'end(data)': socket => socket.end('stray'),
  'write()': socket => socket.write('stray'),
  'cork(), write() and uncork()': socket => {
    socket.cork()
    socket.write('stray')
    socket.uncork()
  },
  'destroy()': socket => socket.destroy(),
  'pause() and resume()': socket => socket.pause().resume(),
  'closeRead()': socket => (socket as unknown as { closeRead(): void }).closeRead(),
}

for (const [name, use] of Object.entries(uses)) {
  for (const event of ['connectionAttempt', 'connectionAttemptFailed', 'error', 'close'])
    test.serial(`${name} at '${event}' of a failed attempt reaches no other connection`, async t => {
      const other = await stranger(t)
      const failing = new ourNet.Socket() as unknown as nodeNet.Socket
      failing.on('error', () => {})
      failing.once(event, () => use(failing))
      failing.connect(`${other.path}-nobody`)
      await new Promise(resolve => failing.on('close', resolve))
      await wasLeftAlone(t, other)
    })

  test.serial(`${name} on a socket that was never connected reaches no other connection`, async t => {
    const other = await stranger(t)
    const unused = new ourNet.Socket() as unknown as nodeNet.Socket
    unused.on('error', () => {})
    use(unused)
    await new Promise(setImmediate)
    unused.destroy()
    await wasLeftAlone(t, other)
  })
}
