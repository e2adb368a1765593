/** Starts the addon's driver: with libuv as its waker on Node, with the doorbell elsewhere. */
import { type Buffer } from 'node:buffer'
import { binding, type Driver } from './binding.js'
import { systemError } from './errors.js'

/**
 * Starts the reactor and its waker, which calls `turn` when something happened, and `closing` in the event loop's closing phase. The reactor writes
 * to `ring` and `scratch` from now on. Throws a system error without descriptors or memory for it.
 */
export function startDriver(
  turn: () => void,
  closing: () => void,
  ring: Uint8Array,
  scratch: Buffer,
): Driver {
  const { Driver: NativeDriver } = binding()
  try {
    return new NativeDriver(turn, closing, ring, scratch, wantsDoorbell())
  } catch (error) {
    throw startError(error as Error & { code: string })
  }
}

/** Whether the waker has to be the doorbell: other runtimes report a Node version, too, but have no libuv. */
function wantsDoorbell(): boolean {
  const { bun, deno, uv } = process.versions
  return (
    process.env['UDSOCK_WAKER'] === 'doorbell' || bun !== undefined || deno !== undefined || uv === undefined
  )
}

/** Makes the error for a reactor that could not start: the addon reports the errno as the error's code. */
function startError(error: Error & { code: string }): Error {
  const errno = Number(error.code)
  return errno > 0 ? systemError(-errno, 'start', undefined, error.message) : error
}
