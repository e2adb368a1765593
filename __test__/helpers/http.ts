import {
  Agent,
  type AgentOptions,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type RequestListener,
  type RequestOptions,
  type Server,
} from 'node:http'
import { type ExecutionContext } from 'ava'
import { connect, type UnixListener, type UnixSocket } from '../../index.js'
import { eventually, listening, once, type Place, receiveAll } from './sockets.js'

type CreateConnection = NonNullable<RequestOptions['createConnection']>
type Connected = (error: Error | null, socket: UnixSocket) => void

/** Makes node:http's own hook `createConnection`, which connects to a listener. */
export function connectionTo(listener: UnixListener, open: UnixSocket[] = []): CreateConnection {
  return (_options, callback) => {
    const answer = callback as Connected
    connect(listener.path).then(
      socket => {
        open.push(socket)
        answer(null, socket)
      },
      error => answer(error as Error, undefined as never),
    )
    return undefined
  }
}

/** The answer that a client received. */
export interface Answer {
  status: number
  headers: IncomingMessage['headers']
  trailers: IncomingMessage['trailers']
  body: Buffer
}

export async function answerTo(sent: ClientRequest): Promise<Answer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve)
    sent.on('error', reject)
  })
  const body = await receiveAll(response)
  return { status: response.statusCode!, headers: response.headers, trailers: response.trailers, body }
}

export interface Served {
  server: Server
  listener: UnixListener
  /** Every connection that was accepted. */
  accepted: UnixSocket[]
  /** A request without an agent: a connection of its own. */
  send(options?: RequestOptions): ClientRequest
  get(options?: RequestOptions): Promise<Answer>
  agent(options?: AgentOptions): Agent
}

/** Passes the connections of `listener` to a server of Node's, as its own listener would. */
export function serve(
  t: ExecutionContext,
  listener: UnixListener,
  server: NodeJS.EventEmitter,
): UnixSocket[] {
  const accepted: UnixSocket[] = []
  const loop = (async () => {
    for await (const socket of listener) {
      accepted.push(socket)
      server.emit('connection', socket)
    }
  })()
  t.teardown(async () => {
    await listener.close()
    await loop
    for (const socket of accepted) socket.destroy()
  })
  return accepted
}

/** A server of node:http on a listener of ours. */
export async function serving(
  t: ExecutionContext,
  handler: RequestListener,
  place: Place = 'path',
  options: object = {},
): Promise<Served> {
  const server = createServer(options, handler)
  // From here on it keeps track of its connections, for closeIdleConnections() and its time limits.
  server.emit('listening')
  const listener = await listening(t, place)
  const accepted = serve(t, listener, server)
  const opened: UnixSocket[] = []
  const createConnection = connectionTo(listener, opened)
  t.teardown(async () => {
    server.close()
    for (const socket of opened) socket.destroy()
    await eventually('every socket is closed', () => [...accepted, ...opened].every(socket => socket.closed))
  })
  const send = (given: RequestOptions = {}): ClientRequest => request({ createConnection, ...given })
  return {
    server,
    listener,
    accepted,
    send,
    get: given => {
      const sent = send(given)
      sent.end()
      return answerTo(sent)
    },
    agent: given => {
      const agent = Object.assign(new Agent(given), { createConnection })
      t.teardown(() => agent.destroy())
      return agent
    },
  }
}

/** A plain connection to a server, closed after the test. */
export async function raw(t: ExecutionContext, { listener }: Served): Promise<UnixSocket> {
  const socket = await connect(listener.path)
  t.teardown(async () => {
    socket.destroy()
    if (!socket.closed) await once(socket, 'close')
  })
  return socket
}
