/** The options of sockets for datagrams, which `bindDatagram()`, `socketpair()` and `adopt()` share. */
import { packetRules, type PacketOptions } from './packet-options.js'
import { aBoolean, oneOf, type Rules } from './validation.js'

/** Those of `PacketOptions` are per receiver where they count unsent bytes. */
export interface DatagramSocketOptions extends Omit<PacketOptions, 'allowHalfOpen'> {
  /**
   * What happens to a message whose receiver is full:
   * - 'wait', the default: it waits for room, within `writeLimit`. No message is lost.
   * - 'drop': it is dropped and counted in `socket.dropped`, and its callback gets ERR_MESSAGE_DROPPED.
   */
  whenFull?: 'wait' | 'drop' | undefined
  /**
   * Whether each message comes with its sender's credentials, `info.peer`. Linux alone; elsewhere EOPNOTSUPP. A socket with this option that
   * sends without an address gets one, as by `{ autobind: true }`. Default false.
   */
  credentials?: boolean | undefined
}

const { allowHalfOpen: _, ...shared } = packetRules

export const datagramRules: Rules<DatagramSocketOptions> = {
  ...shared,
  whenFull: oneOf('wait', 'drop'),
  credentials: aBoolean,
}
