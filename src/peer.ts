/**
 * The credentials of peers, as users get them.
 */

/** The credentials of the peer's process, which the kernel recorded when the connection was made. Source: SO_PEERCRED of unix(7). */
export interface PeerCredentials {
  readonly uid: number
  readonly gid: number
  /** Absent where the platform does not report it, or the process is not visible here. For information only: never authorize by it. */
  readonly pid?: number
}

/** @internal Returns the credentials that the engine reports, where a pid of 0 means that the kernel did not report one. */
export function peerCredentials({ uid, gid, pid }: Required<PeerCredentials>): PeerCredentials {
  return pid === 0 ? { uid, gid } : { uid, gid, pid }
}
