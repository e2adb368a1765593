import { type ExecutionContext } from 'ava'
import { FramedSocket, type FramedOptions, type UnixSocket } from '../../index.js'
import { pair, type Place } from '../helpers/sockets.js'

/** A framed socket and its peer in raw bytes: what the peer writes at once is one chunk. */
export async function rawPair(
  t: ExecutionContext,
  place: Place,
  options?: FramedOptions,
): Promise<{ raw: UnixSocket; framed: FramedSocket }> {
  const { client, server } = await pair(t, place)
  return { raw: client, framed: new FramedSocket(server, options) }
}

/** Records what a framed socket emits, from now on. */
export function recorded(framed: FramedSocket): string[] {
  const events: string[] = []
  framed.on('message', message => events.push(String(message)))
  framed.on('end', () => events.push('end'))
  framed.on('error', error => events.push(`error ${(error as NodeJS.ErrnoException).code}`))
  framed.on('close', () => events.push('close'))
  return events
}
