/** What a message socket uses of the stream, or of the socket of records, that carries its messages. */
import { type PeerCredentials } from '../peer.js'
import { type MessageInfo } from './message-info.js'

/** The receiving half. Emits 'data', and 'end' where there is one. */
export interface MessageSource {
  readonly readableEnded: boolean
  isPaused(): boolean
  pause(): unknown
  resume(): unknown
  /** `info`: what came with a record, if anything did. */
  on(event: 'data', listener: (chunk: Buffer | string, info?: MessageInfo) => void): unknown
  on(event: 'end', listener: () => void): unknown
}

/** Every UnixSocket is one. Emits 'data', 'end', 'drain', 'finish', 'error' and 'close' as a Duplex does. */
export interface MessageTransport extends MessageSource {
  allowHalfOpen: boolean
  readonly peer: PeerCredentials
  readonly destroyed: boolean
  readonly closed: boolean
  readonly errored: Error | null
  readonly writableFinished: boolean
  end(callback?: (error?: Error | null) => void): unknown
  destroy(error?: Error): unknown
  on(event: 'data', listener: (chunk: Buffer | string, info?: MessageInfo) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end' | 'drain' | 'close', listener: () => void): unknown
  once(event: 'finish' | 'close', listener: () => void): MessageTransport
}
