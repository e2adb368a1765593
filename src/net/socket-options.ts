/**
 * What a `net.Socket` is made with, from the options that node:net takes. Options that concern TCP alone are ignored, as node:net ignores them
 * for a path.
 */
import { type SocketConstructorOpts } from 'node:net'
import { type Duplex, type DuplexOptions } from 'node:stream'
import { types } from 'node:util'
import { type Engine, engine, unconnected } from '../internal/engine.js'
import { invalidType, invalidValue, outOfRange } from '../internal/errors.js'
import { Handle } from '../internal/handle.js'
import { type OnRead } from '../internal/onread.js'
import { Resource } from '../internal/resource.js'
import { type InternalSocketOptions } from '../internal/socket-options.js'
import { validateSignal } from '../internal/validation.js'
import { validateNumber } from './arguments.js'
import { callFailed } from './errors.js'

/** @internal The option that has an address in bytes, which a string cannot always be; `path` is then its text. */
export const exactAddress = Symbol('exactAddress')

const objectModes = ['objectMode', 'readableObjectMode', 'writableObjectMode']

/** Returns a handle with the connection of the caller's descriptor, or an unconnected one. */
export function newHandle(given: SocketConstructorOpts | number | undefined): Handle {
  const options: Record<string, unknown> = typeof given === 'number' ? { fd: given } : { ...given }
  for (const mode of objectModes)
    if (options[mode]) throw invalidValue(`options.${mode}`, 'a socket carries bytes')
  validateNumber('options.keepAliveInitialDelay', options['keepAliveInitialDelay'])
  if (options['handle']) throw invalidValue('options.handle', "it is node:net's; give a path or { fd }")
  const { fd } = options
  const own = engine()
  const kept = internalOptions(options)
  const id = fd === undefined ? unconnected : adopted(own, fd)
  return new Handle(own, id, kept, new Resource('UnixSocket'))
}

/** Starts a socket that was made with a connection, as its constructor's options say. */
export function startReading(socket: Duplex, options: unknown): void {
  const { readable, pauseOnCreate, manualStart } = (options ?? {}) as Record<string, unknown>
  if (readable === false) return
  if (pauseOnCreate) socket.pause()
  else if (!manualStart) socket.read(0)
}

/** Returns what a socket is made with, given the options of its caller or its server. */
export function internalOptions(options: Record<string, unknown>): InternalSocketOptions {
  const { onread } = options
  // A copy of the whole object and assignments: V8 copies a rest or the second part of a literal property by property.
  const stream = { ...options }
  stream['decodeStrings'] ??= false
  // Whatever the caller's options are.
  stream['signal'] = undefined
  stream['emitClose'] = false
  stream['autoDestroy'] = true
  stream['allowHalfOpen'] = Boolean(options['allowHalfOpen'])
  return {
    stream: stream as DuplexOptions,
    unsentLimit: Infinity,
    busyPoll: 'auto',
    receiveDescriptors: 0,
    onread: onReadOf(onread),
  }
}

/** Returns the signal, if there is one: node:net takes a falsy value for none. */
export function signalOf(options: unknown): AbortSignal | undefined {
  const { signal } = (options ?? {}) as Record<string, unknown>
  if (!signal) return undefined
  validateSignal('options.signal', signal)
  return signal
}

/** Returns the option if it is valid; node:net ignores any other value. */
function onReadOf(onread: unknown): OnRead | undefined {
  if (typeof onread !== 'object' || onread === null) return undefined
  const { buffer, callback } = onread as Partial<OnRead>
  const isMemory = types.isUint8Array(buffer) || typeof buffer === 'function'
  return isMemory && typeof callback === 'function' ? { buffer, callback } : undefined
}

function adopted(own: Engine, fd: unknown): number {
  if (typeof fd !== 'number') throw invalidType('fd', 'a number', fd)
  if (!Number.isInteger(fd) || fd < 0 || fd >= 2 ** 31) throw outOfRange('fd', 'a descriptor', fd)
  const id = own.driver.adoptConnection(fd, true)
  if (id < 0) throw callFailed(id, 'open', `fd ${fd}`)
  return id
}
