/**
 * Users and groups in options: `allow` of `listen()`, `peerUid` of `connect()`. Both are copied when they are checked.
 */
import { binding } from './internal/binding.js'
import { invalidType, invalidValue } from './internal/errors.js'
import { OptionSet, validateInteger } from './internal/validation.js'

/** Users and groups that may connect. A peer has to be one of the users or in one of the groups. */
export interface AllowedPeers {
  /** Effective user ids. */
  uids?: readonly number[] | undefined
  /** Group ids, effective or supplementary (SO_PEERGROUPS of unix(7), Linux 4.13; elsewhere the first 16 groups). */
  gids?: readonly number[] | undefined
}

/** The option `allow` of `listen()`. */
export type Allow = 'self' | AllowedPeers

/** The kernel uses 2^32 - 1 for no id. */
const largestId = 2 ** 32 - 2

/** @internal */
export interface AllowedIds {
  uids: number[]
  gids: number[]
}

const peers = new OptionSet<AllowedPeers>('options.allow', {
  uids: (name, value) => void idsOf(name, value, 0),
  gids: (name, value) => void idsOf(name, value, 1),
})

/**
 * @internal
 * Returns the ids that `allow` names, with the effective user of now for 'self'; undefined: every peer. Throws if `allow` is invalid or admits
 * no peer.
 */
export function allowedPeers(allow: unknown): AllowedIds | undefined {
  if (allow === undefined) return undefined
  const name = 'options.allow'
  if (allow === 'self') return { uids: own(name), gids: [] }
  if (typeof allow === 'string') throw invalidValue(name, "it must be 'self' or { uids, gids }")
  if (typeof allow !== 'object' || allow === null) throw invalidType(name, "'self' or { uids, gids }", allow)
  const { uids, gids } = peers.read(allow, name)
  const ids = { uids: idsOf(`${name}.uids`, uids ?? [], 0), gids: idsOf(`${name}.gids`, gids ?? [], 1) }
  if (ids.uids.length + ids.gids.length === 0)
    throw invalidValue(name, 'it admits no peer; name a user in uids or a group in gids')
  return ids
}

/** @internal Returns `peerUid` as a list; undefined: every user. */
export function expectedUids(peerUid: unknown): number[] | undefined {
  if (peerUid === undefined) return undefined
  const name = 'options.peerUid'
  if (typeof peerUid === 'number') return [checkedId(name, peerUid, 0)]
  if (!Array.isArray(peerUid)) throw invalidType(name, 'a number or an array of numbers', peerUid)
  if (peerUid.length === 0) throw invalidValue(name, 'the list is empty; name at least one user')
  return idsOf(name, peerUid, 0)
}

/** Returns a checked copy. `kind`: 0 users, 1 groups. */
function idsOf(name: string, ids: unknown, kind: 0 | 1): number[] {
  if (!Array.isArray(ids)) throw invalidType(name, 'an array of numbers', ids)
  // map() would skip holes.
  return Array.from(ids as unknown[], (id, index) => checkedId(`${name}[${index}]`, id, kind))
}

function checkedId(name: string, id: unknown, kind: 0 | 1): number {
  validateInteger(name, id, 0, largestId)
  if (id !== binding().overflowIds()[kind]) return id
  const whom = kind === 0 ? 'user' : 'group'
  throw invalidValue(
    name,
    `${id} is the overflow id, which the kernel reports for every ${whom} that has no number in this user namespace`,
  )
}

function own(name: string): number[] {
  const uid = process.geteuid!()
  if (uid !== binding().overflowIds()[0]) return [uid]
  throw invalidValue(
    name,
    `the user of this process is ${uid}, the overflow id, which users without a number in this user namespace share`,
  )
}
