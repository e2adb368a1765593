import { type ExecutionContext } from 'ava'
import { FramedSocket, type FramedOptions, type UnixSocket } from '../../index.js'
import { pair, type Place } from '../helpers/sockets.js'

/** A message as it is on the wire. */
export function frame(payload: Uint8Array | string): Buffer {
  const bytes = Buffer.from(payload)
  const header = Buffer.alloc(4)
  header.writeUInt32BE(bytes.length)
  return Buffer.concat([header, bytes])
}

export const frames = (...payloads: string[]): Buffer => Buffer.concat(payloads.map(frame))

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

/** 'end' and 'close', without taking a message. */
export function recordedEnds(framed: FramedSocket): string[] {
  const events: string[] = []
  for (const name of ['end', 'close'] as const) framed.on(name, () => events.push(name))
  framed.on('error', () => events.push('error'))
  return events
}

/** Asserts that the peer's going away is what `promise` rejects with. */
export async function failsForWantOfPeer(t: ExecutionContext, promise: Promise<unknown>): Promise<void> {
  const error = await t.throwsAsync<NodeJS.ErrnoException>(promise)
  t.regex(error!.code!, /^(EPIPE|ECONNRESET)$/)
}
