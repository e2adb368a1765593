// The first import, because it chooses the addon.
import { panicked } from './addon.js'

import { type ExecutionContext } from 'ava'
import { connect, type UnixListener, type UnixSocket } from '../../index.js'
import { once, pair, receive } from '../helpers/sockets.js'

export const isDoorbell = process.env['UDSOCK_WAKER'] === 'doorbell'

export const internal = { code: 'ERR_INTERNAL' }

/** Sockets and a listener that a panic does not concern. */
export interface Bystanders {
  client: UnixSocket
  server: UnixSocket
  listener: UnixListener
}

export async function bystanders(t: ExecutionContext): Promise<Bystanders> {
  const all = await pair(t)
  await live(t, all)
  return all
}

/** Checks that the wanted panics have happened, and that the other connections live on. */
export async function live(t: ExecutionContext, { client, server, listener }: Bystanders): Promise<void> {
  t.true(panicked())
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.write('still here')
    t.is(String(await receive(to, 10)), 'still here')
  }
  const [another, accepted] = await Promise.all([connect(listener.path), listener.accept()])
  another.end('and here')
  t.is(String(await receive(accepted, 8)), 'and here')
  accepted.destroy()
  another.destroy()
}

/** The error with which a socket ends. */
export async function failure(socket: UnixSocket): Promise<unknown> {
  const error = once(socket, 'error')
  const closed = once(socket, 'close')
  await closed
  return await error
}
