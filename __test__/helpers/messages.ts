// For tests of sockets that carry messages.
import { type ExecutionContext } from 'ava'
import { type FramedSocket, type MessageInfo, type PacketSocket } from '../../index.js'
import { descriptors, descriptorsAtRest, eventually } from './sockets.js'
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
