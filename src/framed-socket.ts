/**
 * Messages over a stream, each behind its length. `FramedSocket` joins a socket, the codec of `internal/frames.ts`, and what all
 * message sockets have in common.
 */
import { inspect } from 'node:util'
import { type Descriptor } from './descriptor.js'
import { atCaller, invalidType, invalidValue } from './internal/errors.js'
import { FrameDecoder } from './internal/frames.js'
import { heldBytes, writeFrame } from './internal/hooks.js'
import { type InspectContext, inspected, socketFields } from './internal/inspect.js'
import { encodingRefused } from './internal/message-delivery.js'
import { type SendOptions } from './internal/message-info.js'
import { longestDelay } from './internal/scheduling.js'
import { aBoolean, integer, OptionSet } from './internal/validation.js'
import { MessageSocket, transmit } from './message-socket.js'
import { type Socket as NetSocket } from './net/socket.js'
import { isUnixSocket, type UnixSocket } from './socket.js'

export interface FramedOptions {
  /** Bytes of the longest message, in both directions; a longer one is refused by its length alone. Default 16 MiB. */
  maxMessageLength?: number | undefined
  /**
   * Keep the sending side open after the peer's end, until `end()`. Default false: the socket ends itself, with iteration when
   * the loop gets the end, with 'message' listeners when the promises that they returned have settled.
   */
  allowHalfOpen?: boolean | undefined
  /**
   * Milliseconds from a message's first byte to its last, 1 or more. A message that takes longer destroys the socket with ERR_MESSAGE_TIMEOUT: a
   * slow peer must not hold memory for long. The time during which the receiver pauses does not count. Default: no limit.
   */
  messageTimeout?: number | undefined
}

/** Bytes of the longest payload that a frame's header can announce. */
const longestFrame = 2 ** 32 - 1

const framedOptions = new OptionSet<FramedOptions>('new FramedSocket()', {
  maxMessageLength: integer(0, longestFrame),
  allowHalfOpen: aBoolean,
  messageTimeout: integer(1, longestDelay),
})
const defaultMaxMessageLength = 16 * 1024 * 1024

/**
 * Messages over a socket: what one side sends as one message the other receives as one, whole, once and in order. On the wire a message is
 * its length, 4 bytes big-endian, and its bytes; it may be empty.
 *
 * Reading starts with the first 'message' listener, `resume()` or iteration. Without any of them messages are held, and the peer has
 * to wait. The socket's errors and events are emitted here; nothing else may read from the socket or write to it. `allowHalfOpen` of
 * the FramedSocket replaces that of the socket.
 *
 * Emits 'message', 'drain', 'end', 'close' and 'error': ERR_FRAME_TOO_LARGE, ERR_FRAME_TRUNCATED and ERR_MESSAGE_TIMEOUT, which destroy the socket, and the
 * socket's own errors. Messages that arrived before an error are delivered before it. Only 'close' follows 'error'.
 */
export class FramedSocket extends MessageSocket {
  readonly socket: UnixSocket

  /** `socket`, of any copy of this package and also of `udsock/net`, must not be closed, nor have read its peer's end, nor have an encoding. */
  constructor(socket: UnixSocket | NetSocket, options?: FramedOptions) {
    const {
      maxMessageLength = defaultMaxMessageLength,
      allowHalfOpen = false,
      messageTimeout,
    } = checked(socket, options)
    const decoder = new FrameDecoder(maxMessageLength)
    super(socket, decoder, { maxMessageLength, allowHalfOpen, messageTimeout })
    this.socket = socket as UnixSocket
    Object.defineProperty(socket, heldBytes, { value: () => decoder.heldBytes })
    passDescriptors(this.socket, decoder)
  }

  /** @internal */
  [transmit](
    bytes: Uint8Array,
    callback: ((error?: Error | null) => void) | undefined,
    options: SendOptions | undefined,
  ): boolean {
    return this.socket[writeFrame](bytes, callback, options)
  }

  /** The fields of its socket. */
  [inspect.custom](depth: number, options: InspectContext): unknown {
    return inspected(this, () => socketFields(this.socket), depth, options)
  }
}

/** Gives the descriptors that the socket receives to the messages that they came with. */
function passDescriptors(socket: UnixSocket, decoder: FrameDecoder): void {
  // Bytes that the stream holds come first.
  const start = socket.bytesRead - socket.readableLength
  socket.on('descriptors', (descriptors: Descriptor[]) =>
    decoder.receive(descriptors, socket.bytesRead - start),
  )
}

/** The sockets that a FramedSocket of this copy of the package has. */
const framed = new WeakSet<object>()

/** Returns the options of a FramedSocket over `socket`. */
function checked(socket: unknown, options: unknown): FramedOptions {
  try {
    if (!isUnixSocket(socket)) throw invalidType('socket', 'a UnixSocket', socket)
    const given = framedOptions.read(options)
    if (socket.readableEncoding !== null) throw encodingRefused()
    if (socket.destroyed || socket.readableEnded) throw invalidValue('socket', 'it has ended')
    if (framed.has(socket)) throw invalidValue('socket', 'another FramedSocket reads from it')
    framed.add(socket)
    return given
  } catch (error) {
    throw atCaller(error, FramedSocket)
  }
}
