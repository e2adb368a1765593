import http, {
  type ClientRequest,
  createServer,
  type RequestListener,
  type RequestOptions,
  type Server,
} from 'node:http'
import { type Server as NetServer } from 'node:net'
import { promisify } from 'node:util'
import { type ExecutionContext } from 'ava'
import { Agent, serve, type Served, type ServeOptions } from '../../http.js'
import { connect, type UnixSocketPath } from '../../index.js'
import { answerTo } from '../helpers/http.js'
import { once, type Place, places } from '../helpers/sockets.js'

export interface Site {
  server: Server
  served: Served
  path: UnixSocketPath
}

/** A server of node:http at a path, closed after the test. */
export async function site(
  t: ExecutionContext,
  handler: RequestListener,
  {
    place = 'path',
    http: httpOptions = {},
    ...options
  }: ServeOptions & { place?: Place; http?: object } = {},
): Promise<Site> {
  return await siteOf(t, createServer(httpOptions, handler), places[place](t), options)
}

export async function siteOf<T extends NetServer>(
  t: ExecutionContext,
  server: T,
  path: UnixSocketPath,
  options?: ServeOptions,
): Promise<{ server: T; served: Served; path: UnixSocketPath }> {
  const served = await serve(server, path, options)
  t.teardown(async () => {
    if ('closeAllConnections' in server) (server as unknown as Server).closeAllConnections()
    await served.close()
  })
  return { server, served, path }
}

export function agentTo(t: ExecutionContext, path: UnixSocketPath, options: http.AgentOptions = {}): Agent {
  const agent = new Agent(path, { keepAlive: true, ...options })
  t.teardown(() => agent.destroy())
  return agent
}

export function get(agent: Agent, path = '/', options: RequestOptions = {}): ClientRequest {
  return http.get({ agent, path, ...options })
}

export const text = async (sent: ClientRequest): Promise<string> => String((await answerTo(sent)).body)

/** A connection that sends `bytes`; whatever it receives is kept. */
export async function visitor(
  t: ExecutionContext,
  path: UnixSocketPath,
  bytes = '',
): Promise<{ closed: Promise<number>; received: () => string }> {
  const socket = await connect(path)
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('error', () => {}).on('data', chunk => (received += String(chunk)))
  socket.on('end', () => socket.end())
  const start = performance.now()
  const closed = once(socket, 'close').then(() => performance.now() - start)
  if (bytes !== '') socket.write(bytes)
  return { closed, received: () => received }
}

export const connections = (server: NetServer): Promise<number> =>
  promisify(server.getConnections.bind(server))()
export const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`
