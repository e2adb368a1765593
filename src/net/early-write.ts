/** The write that Writable hands over before there is a connection. */
import { type Duplex } from 'node:stream'
import { type WriteCallback } from '../internal/callback-queue.js'
import { type WrittenChunk } from '../internal/writable-stream.js'
import { closedBeforeConnection } from './errors.js'

export interface EarlyWrite {
  readonly chunks: readonly WrittenChunk[]
  readonly write: () => void
  readonly callback: WriteCallback
}

/**
 * Makes the write when 'connect' is emitted, as node:net does. Listeners that were added before the write run before it, so that they can
 * destroy the socket because of its peer. The write fails if the socket closes before.
 */
export function writeOnConnect(socket: Duplex, write: () => void, callback: WriteCallback): void {
  const onConnect = (): void => {
    socket.off('close', onClose)
    write()
  }
  const onClose = (): void => {
    socket.off('connect', onConnect)
    callback(closedBeforeConnection())
  }
  socket.once('connect', onConnect)
  socket.once('close', onClose)
}
