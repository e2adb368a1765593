import { binding } from './binding.js'
import { invalidType, invalidValue } from './errors.js'
import { validateInteger } from './validate.js'

/** Users and groups, of which a peer needs one. */
export interface AllowedPeers {
  /** Effective user ids. */
  uids?: readonly number[] | undefined
  /** Group ids, effective or supplementary (SO_PEERGROUPS of unix(7), Linux 4.13; elsewhere the first 16 groups). */
  gids?: readonly number[] | undefined
}

/** What `listen()` takes for its option `allow`. */
export type Allow = 'self' | AllowedPeers

/** 2^32 - 1 stands for none. */
const largestId = 2 ** 32 - 2

export interface AllowedIds {
  uids: number[]
  gids: number[]
}

/** `allow`, with 'self' resolved to the effective user of now; none: everybody. Throws for what allows nobody or is unknown. */
export function allowedPeers(allow: unknown): AllowedIds | undefined {
  if (allow === undefined) return undefined
  const name = 'options.allow'
  if (allow === 'self') return { uids: own(name), gids: [] }
  if (typeof allow === 'string') throw invalidValue(name, "it is neither 'self' nor an object")
  if (typeof allow !== 'object' || allow === null) throw invalidType(name, "'self' or an object", allow)
  for (const key of Object.keys(allow))
    if (key !== 'uids' && key !== 'gids') throw invalidValue(name, `it has 'uids' and 'gids', not '${key}'`)
  const { uids, gids } = allow as AllowedPeers
  const ids = { uids: idsOf(`${name}.uids`, uids ?? [], 0), gids: idsOf(`${name}.gids`, gids ?? [], 1) }
  if (ids.uids.length + ids.gids.length === 0) throw invalidValue(name, 'it allows nobody')
  return ids
}

/** `peerUid` as a list; none: everybody. */
export function expectedUids(peerUid: unknown): number[] | undefined {
  if (peerUid === undefined) return undefined
  const name = 'options.peerUid'
  if (typeof peerUid === 'number') return idsOf(name, [peerUid], 0)
  if (!Array.isArray(peerUid)) throw invalidType(name, 'a number or an array of numbers', peerUid)
  if (peerUid.length === 0) throw invalidValue(name, 'it expects nobody')
  return idsOf(name, peerUid, 0)
}

/** A checked copy. `kind`: 0 users, 1 groups. */
function idsOf(name: string, ids: unknown, kind: 0 | 1): number[] {
  if (!Array.isArray(ids)) throw invalidType(name, 'an array of numbers', ids)
  // Not map(), which leaves holes out.
  const copy = Array.from(ids as unknown[])
  for (const id of copy) {
    if (id === undefined) throw invalidType(name, 'an array of numbers', id)
    validateInteger(name, id, 0, largestId)
    if (id === binding().overflowIds()[kind]) {
      const whom = kind === 0 ? 'user' : 'group'
      throw invalidValue(
        name,
        `${id} is the overflow id, by which the kernel shows every ${whom} without a number here`,
      )
    }
  }
  return copy as number[]
}

function own(name: string): number[] {
  const uid = process.geteuid!()
  if (uid !== binding().overflowIds()[0]) return [uid]
  throw invalidValue(
    name,
    `this process's own user is ${uid}, the overflow id, which others without a number here share`,
  )
}
