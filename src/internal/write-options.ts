/**
 * The options of `write()`, in a file of their own: the declarations that ship import it, and nothing of the engine.
 */
import { type Descriptor } from '../descriptor.js'

export interface WriteOptions {
  /**
   * Descriptors to send, at most 253: they arrive with the chunk, and never without it. A number is duplicated at the call and stays the
   * caller's. A `Descriptor` is consumed, whether the write succeeds or fails, unless the call throws.
   */
  descriptors?: readonly (number | Descriptor)[] | undefined
  /** The encoding of a string. Default 'utf8'. */
  encoding?: BufferEncoding | undefined
  /**
   * What to do while the kernel takes no more descriptors of this user, because as many as RLIMIT_NOFILE allows were sent and not received yet:
   * - 'wait', the default: try again, with growing pauses, as while the peer's buffer is full.
   * - 'error': destroy the socket with ETOOMANYREFS.
   */
  whenTooMany?: 'wait' | 'error' | undefined
}
