import { type AsyncResource } from 'node:async_hooks'
import { type DuplexOptions } from 'node:stream'
import { type Engine } from './engine.js'
import { type OnRead } from './inbox.js'
import { type UnixSocketPath } from './path.js'
import { validateBoolean, validateInteger, validateOptions } from './validate.js'

export interface SocketOptions {
  /** Keep the writable side open after the peer ends. Default true: the two directions are independent. */
  allowHalfOpen?: boolean | undefined
  /** Bytes that each direction buffers before it asks for patience. Default 65,536. */
  highWaterMark?: number | undefined
  /**
   * Bytes that a socket may hold unsent beyond `highWaterMark`, for a peer that does not read. A write that would bring it
   * past that fails whole with ERR_BACKPRESSURE_LIMIT: its callback gets the error, or else it is emitted as 'error'. The
   * socket lives on, and 'drain' follows. Only a write made between a `write()` that returned false and 'drain', with more
   * than `highWaterMark` unsent, can fail so: whoever waits for 'drain' may write chunks of any length. 0: none of it;
   * Infinity: no limit. Default 16,777,216 (16 MiB).
   */
  writeLimit?: number | undefined
  /**
   * Microseconds for which the process asks for an answer again and again, after a byte went in or out, before it sleeps:
   * trades a processor's time for latency. It pays with both ends doing so, each on a free processor, and gives up while it
   * does not. Timers, immediates and other sockets have their turn in between. Default 0; at most 1,000,000.
   */
  busyPoll?: number | undefined
}

/** What the package makes a socket with. */
export interface KeptOptions extends SocketOptions {
  onread?: OnRead | undefined
  /** What the stream gets beside them. */
  stream?: DuplexOptions | undefined
}

/** What sockets, connected and accepted, have in common: a copy, which its giver cannot change any more. */
export function socketOptions(options: unknown): SocketOptions {
  validateOptions(options)
  const { allowHalfOpen, highWaterMark, writeLimit, busyPoll } = options ?? {}
  validateBoolean('options.allowHalfOpen', allowHalfOpen)
  validateInteger('options.highWaterMark', highWaterMark, 0, 2 ** 31 - 1)
  if (writeLimit !== Infinity) validateInteger('options.writeLimit', writeLimit, 0, Number.MAX_SAFE_INTEGER)
  validateInteger('options.busyPoll', busyPoll, 0, 1_000_000)
  return { allowHalfOpen, highWaterMark, writeLimit: writeLimit as number | undefined, busyPoll }
}

/** What the package makes a socket of; nobody else can. */
export class Connection {
  readonly engine: Engine
  /** Or `unconnected`: then the socket gets its id later. */
  readonly id: number
  readonly options: KeptOptions
  /** Whose context the socket's callbacks run in. */
  readonly resource: AsyncResource
  readonly remotePath: UnixSocketPath | undefined
  readonly localPath: UnixSocketPath | undefined
  /** Called when the descriptor is closed; must run nobody's code. */
  readonly onClosed: (() => void) | undefined

  constructor(
    engine: Engine,
    id: number,
    options: KeptOptions,
    resource: AsyncResource,
    paths: { remotePath?: UnixSocketPath; localPath?: UnixSocketPath },
    onClosed?: () => void,
  ) {
    this.engine = engine
    this.id = id
    this.options = options
    this.resource = resource
    this.remotePath = paths.remotePath
    this.localPath = paths.localPath
    this.onClosed = onClosed
  }
}
