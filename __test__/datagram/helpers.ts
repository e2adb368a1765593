import { type ExecutionContext } from 'ava'
import { bindDatagram, type DatagramOptions, type DatagramSocket } from '../../index.js'
import { type Place, places } from '../helpers/sockets.js'

/** A socket at a new address, which is destroyed after the test. */
export function boundSocket(
  t: ExecutionContext,
  place: Place = 'path',
  options?: DatagramOptions,
): Promise<DatagramSocket> {
  return socketAt(t, places[place](t), options)
}

/** A socket at `path`, or without an address, which is destroyed after the test. */
export async function socketAt(
  t: ExecutionContext,
  path?: Parameters<typeof bindDatagram>[0],
  options?: DatagramOptions,
): Promise<DatagramSocket> {
  const socket = await bindDatagram(path, options)
  t.teardown(() => socket.destroy())
  return socket
}

/** Records what a socket emits, from now on. */
export function recorded(socket: DatagramSocket): string[] {
  const events: string[] = []
  socket.on('message', (message, { truncated }) => events.push(`${message}${truncated ? '~' : ''}`))
  for (const event of ['drain', 'superseded', 'pathlost', 'close'] as const)
    socket.on(event, () => events.push(event))
  socket.on('error', error => events.push(`error ${(error as NodeJS.ErrnoException).code}`))
  return events
}

/** Returns the next `count` messages, as text. */
export async function take(socket: DatagramSocket, count: number): Promise<string[]> {
  const messages: string[] = []
  while (messages.length < count)
    messages.push(await new Promise(resolve => socket.once('message', message => resolve(String(message)))))
  return messages
}

/** Sends until the kernel takes no more for the receiver. Returns how many messages it has taken. */
export async function fill(sender: DatagramSocket, to: Parameters<typeof bindDatagram>[0]): Promise<number> {
  let taken = 0
  let isFull = false
  while (!isFull) {
    const sent = sender.sendAndWait(`filler ${taken}`, { to: to as string })
    const waits = new Promise<'full'>(resolve => setTimeout(resolve, 100, 'full'))
    isFull = (await Promise.race([sent, waits])) === 'full'
    if (isFull) void sent.catch(() => {})
    else taken++
  }
  return taken
}
