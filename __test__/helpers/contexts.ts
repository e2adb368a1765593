import { type AsyncLocalStorage } from 'node:async_hooks'
import { type ExecutionContext } from 'ava'
import { type UnixSocket } from '../../index.js'
import { once, receive } from './sockets.js'

/**
 * Uses `socket`, whose high-water mark is below 4 MiB, in the context 'user'. Returns the context in which each of its
 * events and callbacks ran.
 */
export async function contextsOf(
  t: ExecutionContext,
  storage: AsyncLocalStorage<string>,
  socket: UnixSocket,
  peer: UnixSocket,
): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {}
  const see = (event: string) => (): void => void (seen[event] = storage.getStore())
  await storage.run('user', async () => {
    for (const event of ['data', 'end', 'drain']) socket.on(event, see(event))
    socket.setTimeout(20, see('timeout'))
    await once(socket, 'timeout')
    socket.setTimeout(0)
    peer.write('x')
    await once(socket, 'data')
    await new Promise<void>(resolve => socket.write('y', () => resolve(see('small write')())))
    // More than the kernel holds.
    const large = Buffer.alloc(4 << 20, 'z')
    const written = new Promise<void>(resolve => socket.write(large, () => resolve(see('large write')())))
    const drained = once(socket, 'drain')
    t.is((await receive(peer, large.length + 1)).length, large.length + 1)
    await Promise.all([written, drained])
    peer.end()
    await once(socket, 'end')
  })
  return seen
}
