/** What a listener and its methods are given. */
import { type UnixSocketPath } from '../path.js'
import { type Limits } from './connection-limits.js'
import { type SocketKind } from './socket-kind.js'
import { abortError } from './errors.js'
import { aBoolean, aSignal, OptionSet } from './validation.js'

/** @internal What `listen()` was given for a listener. */
export interface ListenerSettings<S> extends Limits {
  readonly path: UnixSocketPath
  /** The path as error texts show it. */
  readonly display: string
  /** Milliseconds after which an accepted socket without traffic is destroyed; Infinity: never. */
  readonly idleTimeout: number
  /** The kind of the accepted sockets. */
  readonly kind: SocketKind<S>
}

export interface WaitOptions {
  /** Ends the wait with an AbortError; no connection is taken then. */
  signal?: AbortSignal | undefined
}

export interface CloseOptions {
  /** Hand out the connections that wait already before the listener closes. Default false. */
  drain?: boolean | undefined
}

/** @internal */
export const acceptOptions = new OptionSet<WaitOptions>('accept()', { signal: aSignal })
/** @internal */
export const readyOptions = new OptionSet<WaitOptions>('ready()', { signal: aSignal })
/** @internal Also of what `serve()` resolves with. */
export const closeOptions = new OptionSet<CloseOptions>('close()', { drain: aBoolean })

/** @internal Returns the signal of the options, if there is one. Throws an AbortError if it is aborted. */
export function signalOf({ signal }: WaitOptions): AbortSignal | undefined {
  if (signal?.aborted === true) throw abortError(signal)
  return signal
}
