/**
 * The resources of this package in async_hooks: those of sockets and listeners, in whose contexts events run, and the contexts of callbacks.
 *
 * Tools that list what keeps a process alive, such as why-is-node-running, leave out a resource whose `hasRef()` returns false.
 */
import { AsyncResource } from 'node:async_hooks'

/** The handle of a socket, or the acceptor of a listener. */
export interface ResourceOwner {
  /** Whether it is connecting or open, and referenced. */
  hasRef(): boolean
}

/** A socket or a listener. */
export class Resource extends AsyncResource {
  /** Undefined while a call of `connect()` or `listen()` is pending, which keeps the process alive. Not private: hooks run before it exists. */
  owner: ResourceOwner | undefined = undefined

  hasRef(): boolean {
    return this.owner?.hasRef() ?? true
  }
}

/** The context of a callback. Its socket is what keeps the process alive. */
export class CallbackResource extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

/** Returns a callback that runs in the caller's context, whose resource is of this type. */
export function boundCallback(
  type: string,
  callback: (error?: Error | null) => void,
): (error?: Error | null) => void {
  const resource = new CallbackResource(type)
  return error => resource.runInAsyncScope(callback, undefined, error)
}
