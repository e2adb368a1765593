/**
 * `write(chunk, { descriptors })`: checks the arguments, has the addon hold what is to be sent, and hands the chunk to Writable.
 */
import { constants } from 'node:os'
import { Duplex } from 'node:stream'
import { Descriptor, isDescriptor } from '../descriptor.js'
import { byteLength, bytesOf } from './bytes.js'
import { type WriteCallback } from './callback-queue.js'
import { type Engine } from './engine.js'
import { invalidType, invalidValue, systemError } from './errors.js'
import { headerLength } from './frames.js'
import { takeDescriptor } from './hooks.js'
import { type SendOptions } from './message-info.js'
import { MOST_DESCRIPTORS } from './native.js'
import { type Parcel } from './parcels.js'
import { nextTick } from './scheduling.js'
import { smallChunk } from './send-queue.js'
import { takeLent } from './shortcut.js'
import { oneOf, OptionSet, type Rules } from './validation.js'
import { exceedsLimit, limitError, refuse } from './write-guard.js'
import { type WriteOptions } from './write-options.js'
import { type Writer } from './writer.js'

/** The rules of `SendOptions`. */
export const sendRules: Rules<SendOptions> = {
  descriptors: checkDescriptors,
  whenTooMany: oneOf('wait', 'error'),
}
const options = new OptionSet<WriteOptions>('write()', {
  ...sendRules,
  encoding: (name, value) => {
    if (typeof value !== 'string' || !Buffer.isEncoding(value))
      throw invalidValue(name, 'it must be an encoding, such as utf8')
  },
})
/** The options of the sends of messages over a connection. */
export const sendOptions = new OptionSet<SendOptions>('send()', sendRules)

function checkDescriptors(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw invalidType(name, 'an array', value)
  if (value.length > MOST_DESCRIPTORS)
    throw invalidValue(
      name,
      `it has ${value.length} elements, and a message carries at most ${MOST_DESCRIPTORS}`,
    )
  for (const [index, element] of value.entries()) {
    if (typeof element !== 'number' && !isDescriptor(element))
      throw invalidType(`${name}[${index}]`, 'a number or a Descriptor', element)
    if (isDescriptor(element) && element.fd < 0)
      throw invalidValue(`${name}[${index}]`, 'the Descriptor is closed, released or sent')
    if (isDescriptor(element) && value.indexOf(element) < index)
      throw invalidValue(`${name}[${index}]`, 'the Descriptor is in the list already')
  }
}

/** Has the addon hold the descriptors, in their order, and returns their ids. If it throws, no Descriptor is consumed. */
export function holdAll({ driver, raw }: Engine, descriptors: readonly (number | Descriptor)[]): number[] {
  const copies = new Map<number, number>()
  for (const [index, descriptor] of descriptors.entries()) {
    if (typeof descriptor !== 'number') continue
    const id = isDescriptorNumber(descriptor)
      ? driver.duplicateDescriptor(descriptor)
      : -constants.errno.EBADF
    if (id < 0) {
      for (const copy of copies.values()) raw.closeDescriptor(copy)
      throw systemError(id, 'fcntl', `fd ${descriptor}`)
    }
    copies.set(index, id)
  }
  return descriptors.map((descriptor, index) => copies.get(index) ?? consume(descriptor as Descriptor))
}

/** Takes a Descriptor, which may be another copy of the package's. */
function consume(descriptor: Descriptor): number {
  const own =
    descriptor instanceof Descriptor ? descriptor : Descriptor.from((descriptor as Descriptor).release())
  return own[takeDescriptor]()
}

/** Writes a message with descriptors behind its length. */
export function writeFramedWith(
  writer: Writer,
  message: Uint8Array,
  given: SendOptions,
  callback: WriteCallback | undefined,
): boolean {
  const checked = sendOptions.read(given)
  const length = byteLength(message)
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame.writeUInt32BE(length)
  frame.set(message, headerLength)
  if (callback !== undefined && exceedsLimit(writer, frame.length)) {
    // Only this message fails: its sender gets the error.
    const { engine } = writer.handle
    for (const id of holdAll(engine, checked.descriptors ?? [])) engine.raw.closeDescriptor(id)
    nextTick(callback, limitError(writer))
    return false
  }
  return writeWith(writer, frame, checked, 'utf8', callback)
}

/** Writes a chunk with what `given` says; `callback` is bound to its context. */
export function writeWith(
  writer: Writer,
  chunk: unknown,
  given: WriteOptions,
  defaultEncoding: BufferEncoding,
  callback: WriteCallback | undefined,
): boolean {
  const { descriptors = [], encoding = defaultEncoding, whenTooMany = 'wait' } = options.read(given)
  const bytes = bytesOf(chunk, encoding, defaultEncoding)
  if (bytes === undefined) throw invalidType('chunk', 'a string, Buffer, TypedArray or DataView', chunk)
  const length = byteLength(bytes)
  if (descriptors.length > 0 && length === 0)
    throw invalidValue('chunk', 'it is empty, and descriptors are sent with at least one byte')
  const numbers = numbersOf(descriptors)
  if (numbers !== undefined && takeLent(writer, bytes, length, numbers, callback)) return true
  // An object of its own, and memory of its own where the caller may change it.
  const own = length > smallChunk ? Buffer.from(bytes.buffer, bytes.byteOffset, length) : Buffer.from(bytes)
  const { socket, handle } = writer
  if (descriptors.length > 0) {
    const parcel: Parcel = { length, descriptors: holdAll(handle.engine, descriptors), whenTooMany }
    writer.parcels.add(own, parcel)
    if (socket.destroyed || socket.writableEnded || socket.errored !== null) writer.parcels.remove(own)
  }
  if (exceedsLimit(writer, length)) return refuse(writer, callback)
  return write.call(socket, own, 'buffer' as BufferEncoding, callback)
}

/** Returns the list if it has numbers of descriptors alone. */
function numbersOf(descriptors: readonly (number | Descriptor)[]): readonly number[] | undefined {
  const areNumbers = descriptors.every(one => typeof one === 'number' && isDescriptorNumber(one))
  return areNumbers && descriptors.length > 0 ? (descriptors as readonly number[]) : undefined
}

const isDescriptorNumber = (fd: number): boolean => Number.isInteger(fd) && fd >= 0 && fd < 2 ** 31

const { write } = Duplex.prototype as { write: Write }
type Write = (this: Duplex, chunk: Buffer, encoding: BufferEncoding, callback?: WriteCallback) => boolean
