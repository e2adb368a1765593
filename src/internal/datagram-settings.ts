/** What a socket for datagrams is made with. */
import { type BoundPath } from './bound-path.js'

export interface DatagramSettings {
  readonly bound: BoundPath | undefined
  readonly maxMessageLength: number
  readonly dropsWhenFull: boolean
  readonly credentials: boolean
}
