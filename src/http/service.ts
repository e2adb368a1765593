/** The connections of a server of Node that listens on a path, and the end of both. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Server as NetServer } from 'node:net'
import { type Duplex } from 'node:stream'
import { binding } from '../internal/binding.js'
import { builtin } from '../internal/builtins.js'
import { engine } from '../internal/engine.js'
import { handleOf } from '../internal/hooks.js'
import { nextTick, setImmediate } from '../internal/scheduling.js'
import { leaveEndToTls } from '../internal/tls.js'
import { type UnixListener } from '../listener.js'
import { type UnixSocket } from '../socket.js'
import { completeNetServer, type NodeServer } from './node-server.js'
import { nodePath } from './target.js'

/** The fields of node:http on the socket of a connection. */
interface HttpSocket extends Duplex {
  _httpMessage?: (ServerResponse & { req: IncomingMessage }) | null
  parser?: { incoming?: IncomingMessage | null } | null
  readonly bytesRead: number
  readonly alpnProtocol?: string | false | null
}

interface RequestMessage {
  server: unknown
  response: ServerResponse
}

/** The part of an http2 session that the end of a server needs. */
interface Session {
  close(): void
  once(event: 'close', listener: () => void): unknown
}

/** Makes a response whose head was not sent yet the last one of its connection. */
function makeLast(response: ServerResponse): void {
  response.shouldKeepAlive = false
  // Bun reads the header only.
  response.setHeader('Connection', 'close')
}

/** How often requests that have arrived are read before idle connections are closed: a client that goes on sending must not delay the end. */
const mostPolls = 16

/** Reads what has arrived on the connections of this environment, so that requests in it are known to the server. */
async function inputIsRead(): Promise<void> {
  // The doorbell reports input from another thread, at any later time; this polls all the same.
  engine().schedulePoll()
  // From inside a poll phase the first immediate comes before libuv's next poll.
  for (let phase = 0; phase < 2; phase++) await new Promise(resolve => setImmediate(resolve))
}

/**
 * Accepts a listener's connections for a server of Node, and ends both.
 *
 * The server counts each connection from 'connection' to the socket's 'close', and one more while the listener closes. Therefore its
 * own 'close' comes when the last connection has closed and the socket file is removed.
 */
export class Service {
  readonly #server: NodeServer
  readonly #listener: UnixListener
  readonly #handle: NonNullable<NodeServer['_handle']>
  readonly #isTls: boolean
  /** The connections that the server counts. */
  readonly #sockets = new Set<UnixSocket>()
  /** Connections of https, with the bytes that were read by the end of their handshake. */
  readonly #secured = new Map<HttpSocket, number>()
  readonly #sessions = new Set<Session>()
  readonly #accepting: Promise<void>
  readonly #ended: Promise<void>
  /** Whether each request in flight is the last of its connection. */
  #isEnding = false
  #isSweeping = false
  #draining: Promise<void> | undefined

  constructor(server: NetServer, listener: UnixListener) {
    completeNetServer(server)
    // Without the method there is no need to load node:tls.
    this.#isTls = 'setSecureContext' in server && server instanceof builtin('node:tls').Server
    const own = (this.#server = server as NodeServer)
    this.#listener = listener
    this.#handle = {
      close: () => this.#onServerClose(),
      ref: () => void listener.ref(),
      unref: () => void listener.unref(),
    }
    own._handle = this.#handle
    own._pipeName = nodePath(listener.path)
    own.on('secureConnection', this.#onSecure).on('session', this.#onSession)
    this.#ended = new Promise(resolve => own.once('close', resolve)).then(() => this.#forget())
    listener.once('close', () => this.#onListenerClose())
    this.#accepting = this.#accept()
    nextTick(() => {
      if (this.#isServing) own.emit('listening')
    })
  }

  /** Whether the server listens by this service. */
  get #isServing(): boolean {
    return this.#server._handle === this.#handle
  }

  // Connections.

  async #accept(): Promise<void> {
    for (;;) {
      try {
        this.#hand(await this.#listener.accept())
      } catch (error) {
        if (this.#listener.closed) return
        this.#emit('error', error)
        await inputIsRead()
      }
    }
  }

  #hand(socket: UnixSocket): void {
    const server = this.#server
    const { maxConnections } = server as { maxConnections?: number | null }
    if (!this.#isServing || (typeof maxConnections === 'number' && server._connections >= maxConnections)) {
      if (this.#isServing) this.#emit('drop')
      socket.destroy()
      return
    }
    server._connections++
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      server._connections--
      server._emitCloseIfDrained()
    })
    this.#emit('connection', socket)
    if (this.#isTls) leaveEndToTls(socket)
    if (this.#isEnding) this.#endIdleSoon()
  }

  /** Emits an event as node:net does: an exception of a listener is uncaught, and the server goes on. */
  #emit(event: string, ...values: unknown[]): void {
    try {
      this.#server.emit(event, ...values)
    } catch (error) {
      binding().uncaught(error)
    }
  }

  readonly #onSecure = (socket: HttpSocket): void => {
    if (socket.alpnProtocol === 'h2') return
    this.#secured.set(socket, socket.bytesRead)
    socket.once('close', () => this.#secured.delete(socket))
  }

  readonly #onSession = (session: Session): void => {
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    if (this.#isEnding) this.#endIdleSoon()
  }

  // The end.

  /** Closes the server, and resolves when the listener is closed. */
  async close(): Promise<void> {
    if (this.#isServing) {
      this.#endWithRequests()
      this.#server.close()
    }
    await this.#listener.close()
  }

  /** Serves the clients that wait already, and resolves when every connection has ended. */
  drain(): Promise<void> {
    return (this.#draining ??= this.#drain())
  }

  async #drain(): Promise<void> {
    if (this.#isServing) {
      this.#endWithRequests()
      const stopped = this.#listener.close({ drain: true })
      await inputIsRead()
      await this.#endIdle()
      await stopped
      await this.#accepting
      await inputIsRead()
      await this.#endIdle()
      // The server's time limits end with server.close(): until then they bound the connections that are left.
      while (this.#isServing && this.#sockets.size > 0)
        await new Promise(resolve => this.#sockets.values().next().value!.once('close', resolve))
      if (this.#isServing) this.#server.close()
    }
    await this.#ended
  }

  /** Called by `server.close()`. */
  #onServerClose(): void {
    const server = this.#server
    server._connections++
    void this.#listener.close().finally(() => {
      server._connections--
      server._emitCloseIfDrained()
    })
  }

  #onListenerClose(): void {
    if (this.#isServing && this.#draining === undefined) this.#server.close()
  }

  #forget(): void {
    this.#server.off('secureConnection', this.#onSecure).off('session', this.#onSession)
    unsubscribe('http.server.request.start', this.#onRequest)
    unsubscribe('http.server.response.finish', this.#onFinish)
  }

  /** Makes each request the last of its connection from now on. */
  #endWithRequests(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    subscribe('http.server.request.start', this.#onRequest)
    subscribe('http.server.response.finish', this.#onFinish)
    for (const { _httpMessage: response, parser } of this.#httpSockets()) {
      // Pipelined requests behind this one were accepted as well, and are answered.
      const isLast = response && (parser?.incoming ?? response.req) === response.req
      if (isLast && !response.headersSent) makeLast(response)
    }
  }

  readonly #onRequest = (message: unknown): void => {
    const { server, response } = message as RequestMessage
    if (server === this.#server) makeLast(response)
  }

  readonly #onFinish = (message: unknown): void => {
    if ((message as RequestMessage).server === this.#server) this.#endIdleSoon()
  }

  /** Closes idle connections after the bytes that have arrived on them are read. */
  #endIdleSoon(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    void inputIsRead().then(() => this.#endIdle())
  }

  /** Closes connections without a request in flight. */
  async #endIdle(): Promise<void> {
    // A request may have arrived since the last poll. The next poll makes its connection a busy one.
    for (let polls = 0; polls < mostPolls && this.#isRequestUnread(); polls++) await inputIsRead()
    this.#isSweeping = false
    this.#server.closeIdleConnections?.()
    for (const session of this.#sessions) session.close()
    // To node:http a connection without any byte from the client is busy.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
    for (const [socket, handshake] of this.#secured) if (socket.bytesRead === handshake) socket.destroy()
  }

  /** Whether bytes wait in the kernel on a connection without a request in flight. */
  #isRequestUnread(): boolean {
    for (const socket of this.#sockets)
      if (!(socket as HttpSocket)._httpMessage && socket[handleOf].isOpen && socket[handleOf].hasInput)
        return true
    return false
  }

  *#httpSockets(): Iterable<HttpSocket> {
    yield* this.#sockets as Iterable<HttpSocket>
    yield* this.#secured.keys()
  }
}
