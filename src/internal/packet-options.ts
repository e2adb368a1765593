/** The options of sockets of type SOCK_SEQPACKET, which `connect()`, `listen()`, `socketpair()` and `adopt()` share. */
import { type SocketOptions, socketRules } from './socket-options.js'
import { aBoolean, integer, oneOf, type Rule, type Rules } from './validation.js'

export interface PacketOptions extends Omit<SocketOptions, 'allowHalfOpen'> {
  /**
   * Bytes of the longest message, in both directions: a longer one is not sent, and one that arrives is truncated and marked. At most 262,144
   * (256 KiB). Default 65,536.
   */
  maxMessageLength?: number | undefined
  /**
   * Keep the sending side open after the peer's end, until `end()`. Default false: the socket ends itself, with iteration when
   * the loop gets the end, with 'message' listeners when the promises that they returned have settled.
   */
  allowHalfOpen?: boolean | undefined
}

/** The option `type`, of connections. */
export const typeRule: Rule = oneOf('stream', 'seqpacket')
/** The option `type`, of all sockets. */
export const anyTypeRule: Rule = oneOf('stream', 'seqpacket', 'datagram')

/** Half of the scratch memory, into which records are received. */
const longestMessage = 256 * 1024
export const defaultMaxMessageLength = 64 * 1024

export const packetRules: Rules<PacketOptions> = {
  ...socketRules,
  maxMessageLength: integer(0, longestMessage),
  allowHalfOpen: aBoolean,
}

/** Returns the option `type`, which may be invalid. */
export function typeOf(options: unknown): unknown {
  return typeof options === 'object' && options !== null ? (options as { type?: unknown }).type : undefined
}

/** Whether options ask for connections of records. */
export function wantsPackets(options: unknown): boolean {
  return typeOf(options) === 'seqpacket'
}
