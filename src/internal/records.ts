/** The decoder of records: a queue of those that have arrived and were not delivered. A record is a message already, so nothing is decoded. */
import { type MessageDecoder } from './message-delivery.js'
import { type MessageInfo, plainInfo } from './message-info.js'

export class RecordDecoder implements MessageDecoder {
  /** The oldest record, if it came while none waited: most are delivered at once, and need no list. See the benchmark seqpacket. */
  #record: Buffer | undefined
  #info: MessageInfo = plainInfo
  /** The records from `#next` on wait. */
  #records: Buffer[] = []
  /** What came with each of them. */
  #infos: MessageInfo[] = []
  #next = 0
  info: MessageInfo = plainInfo

  get isEmpty(): boolean {
    return this.#record === undefined && this.#next === this.#records.length
  }

  /** How many records wait. */
  get waiting(): number {
    const rest = this.#records.length - this.#next
    return this.#record === undefined ? rest : rest + 1
  }

  push(record: Buffer, info = plainInfo): void {
    if (this.isEmpty) {
      this.#record = record
      this.#info = info
      return
    }
    this.#records.push(record)
    this.#infos.push(info)
  }

  /** Closes the descriptors of records that are not delivered. */
  discard(): void {
    if (this.#record !== undefined) this.#info = withoutDescriptors(this.#info)
    for (let index = this.#next; index < this.#infos.length; index++) {
      this.#infos[index] = withoutDescriptors(this.#infos[index]!)
    }
  }

  next(): Buffer | undefined {
    const first = this.#record
    if (first !== undefined) {
      this.info = this.#info
      this.#record = undefined
      return first
    }
    const record = this.#records[this.#next]
    if (record === undefined) return undefined
    this.info = this.#infos[this.#next]!
    if (++this.#next === this.#records.length) this.#records.length = this.#infos.length = this.#next = 0
    return record
  }

  /** A record is never cut by the end. */
  end(): void {}
}

/** Closes the descriptors of a record, and returns what is left of its information. */
function withoutDescriptors(info: MessageInfo): MessageInfo {
  const { descriptors, truncated } = info
  if (descriptors.length === 0) return info
  for (const descriptor of descriptors) descriptor.close()
  return { descriptors: plainInfo.descriptors, truncated }
}
