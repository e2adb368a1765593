/** The part of net.Server that keeps a server's handle, and a substitute for servers that are not built on net.Server. */
import { type Server as NetServer } from 'node:net'
import { nextTick } from '../internal/scheduling.js'
import { alreadyListening } from '../net/errors.js'

/**
 * The fields that net.Server keeps about the handle on which it listens. Node's `close()`, `listening`, `address()`, `ref()` and
 * `getConnections()` depend on these fields alone, so a server whose fields are set listens.
 * Source: lib/net.js of Node 20 to 26.
 */
export interface NodeServer extends NetServer {
  _handle: { close(): void; ref(): void; unref(): void } | null
  _pipeName: string | null
  _connections: number
  _emitCloseIfDrained(): void
  closeIdleConnections?(): void
}

/**
 * Adds these members to a server that is not built on net.Server, such as Bun's servers of http. They do what the members of
 * net.Server do.
 */
export function completeNetServer(server: NetServer): void {
  if ('_emitCloseIfDrained' in server) return
  const { close, listen } = server as unknown as Record<'close' | 'listen', (...args: unknown[]) => unknown>
  const members: Record<string, unknown> & ThisType<NodeServer> = {
    _handle: null,
    _pipeName: null,
    _connections: 0,
    _emitCloseIfDrained() {
      if (this._handle === null && this._connections === 0) nextTick(() => this.emit('close'))
    },
    address() {
      return this._handle === null ? null : this._pipeName
    },
    getConnections(callback: (error: Error | null, count: number) => void) {
      nextTick(callback, null, this._connections)
      return this
    },
    ref() {
      this._handle?.ref()
      return this
    },
    unref() {
      this._handle?.unref()
      return this
    },
    listen(...args: unknown[]) {
      if (this._handle !== null) throw alreadyListening()
      return listen.apply(this, args)
    },
    close(callback?: (error?: Error) => void) {
      const handle = this._handle
      if (handle === null) return close.call(this, callback)
      if (callback !== undefined) this.once('close', () => callback())
      // Bun's own method closes idle connections. The error that the server does not listen is expected.
      close.call(this, () => {})
      handle.close()
      this._handle = null
      this._emitCloseIfDrained()
      return this
    },
  }
  Object.assign(server, members)
  Object.defineProperty(server, 'listening', {
    configurable: true,
    get(this: NodeServer) {
      return this._handle !== null
    },
  })
}
