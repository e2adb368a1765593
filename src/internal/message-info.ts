/** What comes with a message beside its bytes. */
import { type Descriptor } from '../descriptor.js'

/** What is sent with a message. */
export interface SendOptions {
  /**
   * Descriptors to send, at most 253. A number is duplicated at the call and stays the caller's. A `Descriptor` is consumed, whether the message
   * is sent or not, unless the call throws.
   */
  descriptors?: readonly (number | Descriptor)[] | undefined
  /** What to do while the kernel takes no more descriptors of this user: see `WriteOptions`. Default 'wait'. */
  whenTooMany?: 'wait' | 'error' | undefined
}

/** What came with a message: the second argument of 'message', and part of what `messages()` yields. */
export interface MessageInfo {
  /** Descriptors that came with the message. The receiver owns them. */
  readonly descriptors: readonly Descriptor[]
  /** Whether the message was longer than `maxMessageLength`, and only its beginning is here. Records alone: a longer frame is an error. */
  readonly truncated: boolean
}

/** @internal What comes with most messages: nothing. */
export const plainInfo: MessageInfo = Object.freeze({ descriptors: Object.freeze([]), truncated: false })
