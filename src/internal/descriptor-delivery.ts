/**
 * Hands received descriptors over to the 'descriptors' listeners of a socket, which own them from then on. Descriptors that reach no listener
 * are closed, on another thread.
 */
import { type Duplex } from 'node:stream'
import { type Descriptor, descriptorOf, type Held } from '../descriptor.js'
import { descriptorsLost, systemError } from './errors.js'
import { type Handle } from './handle.js'
import { Lost, MOST_DESCRIPTORS } from './native.js'

/** What the addon writes received descriptors to; made when a socket first receives some. */
let received: { numbers: Float64Array; bytes: Uint8Array } | undefined

function receivedMemory(): { numbers: Float64Array; bytes: Uint8Array } {
  const numbers = new Float64Array(2 * MOST_DESCRIPTORS)
  return { numbers, bytes: new Uint8Array(numbers.buffer) }
}

/** Takes the descriptors of the oldest read that brought some. Returns one of the `Lost` numbers, or an empty list if there are none. */
function takeHeld(handle: Handle): Held[] | number {
  received ??= receivedMemory()
  const { numbers, bytes } = received
  const count = handle.takeDescriptors(bytes)
  if (count < 0) return count
  const held: Held[] = []
  for (let index = 0; index < 2 * count; index += 2)
    held.push({ id: numbers[index]!, fd: numbers[index + 1]! })
  return held
}

/** Takes the descriptors that came with the next record. Returns an error if some are lost. */
export function takeReceived(handle: Handle): Descriptor[] | Error {
  const taken = takeHeld(handle)
  return typeof taken === 'number' ? lossOf(taken, handle) : taken.map(descriptorOf)
}

/** Emits 'descriptors', unless the reader is closed. Returns an error if descriptors are lost, or could not be taken. */
export function deliverDescriptors(socket: Duplex, handle: Handle, isClosed: boolean): Error | undefined {
  if (!handle.isOpen) return undefined
  const taken = takeHeld(handle)
  if (typeof taken === 'number') return isClosed ? undefined : lossOf(taken, handle)
  if (taken.length === 0) return undefined
  if (isClosed || socket.listenerCount('descriptors') === 0) {
    closeHeld(handle, taken)
    return isClosed ? undefined : descriptorsLost("the socket has no 'descriptors' listener")
  }
  const descriptors: Descriptor[] = taken.map(descriptorOf)
  socket.emit('descriptors', descriptors)
  return undefined
}

function lossOf(code: number, { options }: Handle): Error {
  if (code === Lost.tooMany)
    return descriptorsLost(
      `there were more at once than options.receiveDescriptors, ${options.receiveDescriptors}`,
    )
  if (code === Lost.noRoom)
    return descriptorsLost('this process had no room for all of them (EMFILE); raise RLIMIT_NOFILE')
  return systemError(code, 'read')
}

function closeHeld({ engine }: Handle, held: readonly Held[]): void {
  for (const { id } of held) engine.raw.closeDescriptor(id)
}
