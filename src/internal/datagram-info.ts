/** What goes with a datagram beside its bytes. */
import { type UnixSocketPath } from '../path.js'
import { type PeerCredentials } from '../peer.js'
import { type MessageInfo, type SendOptions } from './message-info.js'

export interface DatagramSendOptions extends SendOptions {
  /** The receiver. Default: the one that the socket is connected to. */
  to?: UnixSocketPath | undefined
}

/** What came with a datagram, and from whom. */
export interface DatagramInfo extends MessageInfo {
  /** The path or abstract name of the sender; undefined for an unbound one, which cannot be answered. */
  readonly from?: UnixSocketPath | undefined
  /**
   * The sender's credentials when it sent the datagram, with `options.credentials`. Undefined if the kernel recorded none: the datagram had arrived
   * before `adopt()` asked for them, or the sender has no number in this process's namespaces.
   */
  readonly peer?: PeerCredentials | undefined
}
