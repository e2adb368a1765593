/** `serve()`: makes a server of Node listen on a path. What happens on its connections is in `service.ts`. */
import { type Server as NetServer } from 'node:net'
import { type InheritedListener, listen, type ListenOptions, listenRules } from '../listen.js'
import { type CloseOptions, closeOptions } from '../internal/listener-options.js'
import { type UnixListener } from '../listener.js'
import { atCaller, invalidType } from '../internal/errors.js'
import { alreadyListening } from '../net/errors.js'
import { type UnixSocketPath } from '../path.js'
import { OptionSet } from '../internal/validation.js'
import { isSupported } from '../supported.js'
import { serveByNode } from './serve-by-node.js'
import { Service } from './service.js'

/** Where `serve()` listens: a path, an abstract name, or a listening descriptor of this process. */
export type ServeTarget = UnixSocketPath | InheritedListener

/**
 * The options of `listen()`, with the defaults of a server of node:http:
 * - `backlog`: 511;
 * - `unlinkOnClose`: true for a path;
 * - `writeLimit`: Infinity, because node:http itself buffers what a handler writes too fast;
 * - `allowHalfOpen`: that of the server, which is true for http and false for TLS.
 */
export interface ServeOptions extends ListenOptions {}

const serveOptions = new OptionSet<ServeOptions>('serve()', listenRules)

/** A running service, with which `serve()` resolves. */
export interface Served extends AsyncDisposable {
  /**
   * Accepts the server's connections. Its events are about the path: 'superseded', 'pathlost', 'overload', 'drop'. Undefined where
   * `isSupported` is false, because node:net listens there.
   */
  readonly listener: UnixListener
  /**
   * Stops serving, as `server.close()` does: no client can connect any more, the socket file is removed, and idle connections
   * are closed. A response whose head was not sent yet gets the header `Connection: close`, and each connection ends with the
   * response in flight. Idempotent. Resolves when the listener is closed; requests in flight go on.
   *
   * With `drain`, clients that wait in the kernel's queue are still served, and the promise resolves when the last connection
   * has ended, like the callback of `server.close()`. Idle keep-alive connections, and connections without any byte from the client,
   * do not delay it; the server's time limits bound the others. The program has to end connections that were upgraded.
   * `server.closeAllConnections()` closes the remaining connections at once.
   */
  close(options?: CloseOptions): Promise<void>
  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes a server of node:http, node:https or node:http2 listen on a path, as its own `listen()` would. This includes everything that
 * is built on such a server: express, fastify's `app.server`, ws.
 *
 * The server behaves as a listening one: `server.listening` is true, `server.address()` returns the path, 'listening', 'connection'
 * and 'close' are emitted, `headersTimeout`, `requestTimeout`, `keepAliveTimeout`, `connectionsCheckingInterval` and
 * `server.maxConnections` are in force, and `close()`, `closeIdleConnections()`, `closeAllConnections()`, `getConnections()`, `ref()`
 * and `unref()` work. When the listener closes for another reason ('superseded', `signal`), the server closes.
 *
 * Rejects as `listen()` does, with ERR_SERVER_ALREADY_LISTEN for a server that listens, and with ERR_INVALID_ARG_TYPE. After a
 * rejection no file and no descriptor is left.
 */
export async function serve(server: NetServer, target: ServeTarget, options?: ServeOptions): Promise<Served> {
  try {
    if (!isServer(server))
      throw invalidType(
        'server',
        typeof server === 'function'
          ? 'a server, such as that of http.createServer(application)'
          : 'a server of node:http, node:https or node:http2',
        server,
      )
    const given = serveOptions.read(options)
    if (server.listening) throw alreadyListening()
    if (!isSupported) {
      const close = await serveByNode(server, target, given)
      return { listener: undefined as never, close, [Symbol.asyncDispose]: () => close() }
    }
    const listener = await listen(target as UnixSocketPath, { ...defaults(server, target), ...given })
    if (server.listening) {
      await listener.close()
      throw alreadyListening()
    }
    const service = new Service(server, listener)
    return {
      listener,
      close: async closing =>
        await (closeOptions.read(closing).drain === true ? service.drain() : service.close()),
      [Symbol.asyncDispose]: () => service.close(),
    }
  } catch (error) {
    throw atCaller(error, serve)
  }
}

function isServer(value: unknown): value is NetServer {
  if (typeof value !== 'object' || value === null) return false
  const { emit, close } = value as Record<string, unknown>
  return typeof emit === 'function' && typeof close === 'function' && 'listening' in value
}

function defaults(server: NetServer, target: ServeTarget): ListenOptions {
  const { allowHalfOpen } = server as { allowHalfOpen?: unknown }
  const sockets = { writeLimit: Infinity, allowHalfOpen: allowHalfOpen !== false }
  const isPlace = typeof target === 'string' || target instanceof URL || target instanceof Uint8Array
  // For an inherited listener its creator has decided on these.
  return isPlace ? { ...sockets, backlog: 511, unlinkOnClose: true } : sockets
}
