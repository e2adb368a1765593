import { type ExecutionContext } from 'ava'
import {
  connect,
  listen,
  type PacketConnectOptions,
  type PacketListenOptions,
  type PacketSocket,
  type UnixListener,
} from '../../index.js'
import { type Place, places } from '../helpers/sockets.js'

export const type = 'seqpacket'

/** A listener for packets that is closed after the test. */
export async function packetListener(
  t: ExecutionContext,
  place: Place = 'path',
  options?: Omit<PacketListenOptions, 'type'>,
): Promise<UnixListener<PacketSocket>> {
  const listener = await listen(places[place](t), { ...options, type })
  t.teardown(() => listener.close())
  return listener
}

/** A connected pair; both ends are destroyed after the test. */
export async function packetPair(
  t: ExecutionContext,
  place: Place = 'path',
  listenOptions?: Omit<PacketListenOptions, 'type'>,
  connectOptions?: Omit<PacketConnectOptions, 'type'>,
): Promise<{ client: PacketSocket; server: PacketSocket; listener: UnixListener<PacketSocket> }> {
  const listener = await packetListener(t, place, listenOptions)
  const [client, server] = await Promise.all([
    connect(listener.path, { ...connectOptions, type }),
    listener.accept(),
  ])
  t.teardown(() => {
    client.destroy()
    server.destroy()
  })
  return { client, server, listener }
}

/** Records what a socket emits, from now on. */
export function recorded(socket: PacketSocket): string[] {
  const events: string[] = []
  socket.on('message', (message, { truncated }) => events.push(`${message}${truncated ? '~' : ''}`))
  socket.on('end', () => events.push('end'))
  socket.on('error', error => events.push(`error ${(error as NodeJS.ErrnoException).code}`))
  socket.on('close', () => events.push('close'))
  return events
}

/** Returns every message up to the end, as text. */
export async function allOf(socket: PacketSocket): Promise<string[]> {
  const messages: string[] = []
  for await (const message of socket) messages.push(String(message))
  return messages
}
