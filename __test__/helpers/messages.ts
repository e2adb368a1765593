// For tests of sockets that carry messages.
import { type ExecutionContext } from 'ava'
import { type FramedSocket, type MessageInfo, type PacketSocket } from '../../index.js'
import { descriptors, descriptorsAtRest, eventually, once } from './sockets.js'
import { turns } from './streams.js'

/** Closes the descriptors of a message. */
export function closeDescriptors({ descriptors: list }: MessageInfo): void {
  for (const descriptor of list) descriptor.close()
}

/** Tests that each message has its descriptors in a loop that is slower than the peer, after both sides have ended. */
export async function keepDescriptors<Socket extends FramedSocket | PacketSocket>(
  t: ExecutionContext,
  sockets: () => readonly [Socket, Socket],
): Promise<void> {
  const before = await descriptorsAtRest()
  const [one, other] = sockets()
  other.end('request')
  for (let count = 0; count < 4; count++) one.send('answer', { descriptors: [0] })
  one.end()
  one.resume()
  const got: number[] = []
  for await (const info of other.messages()) {
    got.push(info.descriptors.length)
    closeDescriptors(info)
    await turns(20)
  }
  t.deepEqual(got, [1, 1, 1, 1])
  await eventually('all are closed', () => descriptors() <= before)
}

/** How many descriptors the message with this index has. */
const countOf = (index: number): number => (index % 3 === 0 ? 0 : index % 8)

export const waysToReceive = ['listener', 'iteration', 'paused listener'] as const

/** Tests that each of thousands of messages has its own descriptors. `longest`: bytes of the longest message. */
export async function manyDescriptors(
  t: ExecutionContext,
  sockets: () => readonly [FramedSocket | PacketSocket, FramedSocket | PacketSocket],
  { how, longest }: { how: (typeof waysToReceive)[number]; longest: number },
): Promise<void> {
  t.timeout(60_000)
  const before = await descriptorsAtRest()
  const [one, other] = sockets()
  const count = 2000
  const sizeOf = (index: number): number => (index % 97 === 0 ? longest : (index * 37) % 900)
  const problems: string[] = []
  let arrived = 0
  const check = (message: Buffer, info: MessageInfo): void => {
    const index = arrived++
    if (message.length !== sizeOf(index) || info.descriptors.length !== countOf(index))
      problems.push(`${index}: ${message.length} bytes, ${info.descriptors.length} descriptors`)
    closeDescriptors(info)
  }
  const sending = (async () => {
    for (let index = 0; index < count; index++) {
      const message = Buffer.alloc(sizeOf(index), index)
      const list = Array.from({ length: countOf(index) }, () => 0)
      const more = list.length > 0 ? one.send(message, { descriptors: list }) : one.send(message)
      if (!more) await once(one, 'drain')
    }
    one.end()
  })()
  if (how === 'iteration') {
    for await (const { data, ...info } of other.messages()) check(data, info)
  } else {
    other.on('message', (message, info) => {
      check(message, info)
      if (how === 'paused listener' && arrived % 10 === 0) {
        other.pause()
        setImmediate(() => other.resume())
      }
    })
    await once(other, 'end')
  }
  await sending
  t.deepEqual([problems, arrived], [[], count])
  one.destroy()
  other.destroy()
  await eventually('all are closed', () => descriptors() <= before)
}
