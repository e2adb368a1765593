/** The options of `DatagramSocket.send()`. */
import { type DatagramSendOptions } from './datagram-info.js'
import { type DatagramReceiver, receiverAt } from './datagram-receiver.js'
import { holdAll, sendRules } from './descriptor-writing.js'
import { type Engine } from './engine.js'
import { type Parcel } from './parcels.js'
import { OptionSet } from './validation.js'

const sendOptions = new OptionSet<DatagramSendOptions>('send()', {
  ...sendRules,
  // Checked where it is resolved.
  to: () => {},
})

/** Returns the receiver of a message of `length` bytes, and its descriptors, which the addon then holds. */
export function readSend(
  engine: Engine,
  length: number,
  given: DatagramSendOptions,
): { receiver: DatagramReceiver | undefined; parcel: Parcel | undefined } {
  const { descriptors = [], whenTooMany = 'wait', to } = sendOptions.read(given)
  const receiver = to === undefined ? undefined : receiverAt(to, 'options.to')
  const parcel =
    descriptors.length === 0 ? undefined : { length, descriptors: holdAll(engine, descriptors), whenTooMany }
  return { receiver, parcel }
}
