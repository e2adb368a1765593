/** What `serve()` does where the package has no addon: the server listens by itself, over node:net. */
import { type Server as NetServer } from 'node:net'
import { unsupportedPlatform } from '../internal/errors.js'
import { type CloseOptions, closeOptions, signalOf } from '../internal/listener-options.js'
import { loadAttempts } from '../internal/native.js'
import { type InheritedListener, type ListenOptions } from '../listen.js'
import { type UnixSocketPath } from '../path.js'
import { nodePath } from './target.js'

/** The options that node:net has, or that change nothing for its sockets. The others protect or share the path. */
const known = new Set(['backlog', 'signal', 'unlinkOnClose', 'writeLimit', 'allowHalfOpen'])

/** Resolves with the function that stops serving. Rejects with ERR_UNSUPPORTED_PLATFORM for options that node:net has no equivalent of. */
export async function serveByNode(
  server: NetServer,
  target: UnixSocketPath | InheritedListener,
  options: ListenOptions,
): Promise<(options?: CloseOptions) => Promise<void>> {
  const isKnown = Object.keys(options).every(name => known.has(name))
  if (!isKnown || (typeof target === 'object' && 'fd' in target)) throw unsupportedPlatform(loadAttempts)
  const signal = signalOf(options)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path: nodePath(target), backlog: options.backlog ?? 511 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const ended = new Promise<void>(resolve => server.once('close', resolve))
  const close = async (closing?: CloseOptions): Promise<void> => {
    const { drain } = closeOptions.read(closing)
    if (server.listening) server.close()
    if (drain === true) await ended
  }
  signal?.addEventListener('abort', () => void close(), { once: true })
  return close
}
