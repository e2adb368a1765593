// A user's program: scripts/types.js compiles it, as an ES module and as CommonJS, with many versions of TypeScript and @types/node.
import * as http from 'node:http'
import * as nodeNet from 'node:net'
import type { Duplex } from 'node:stream'
import {
  abstractName,
  adopt,
  bindDatagram,
  connect,
  type ConnectOptions,
  type DatagramInfo,
  type DatagramSocket,
  type Descriptor,
  FramedSocket,
  isSupported,
  isUnixListener,
  isUnixSocketPath,
  listen,
  type ListenOptions,
  type MessageSocket,
  type PacketSocket,
  type PeerCredentials,
  socketpair,
  type SystemError,
  UnixListener,
  UnixSocket,
  type UnixSocketPath,
} from 'udsock'
import { createSocket, type RemoteInfo } from 'udsock/dgram'
import { Agent, HttpsAgent, serve, undiciConnector } from 'udsock/http'
import net, {
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'udsock/net'

/** Whether `Left` and `Right` are the same type. */
type Same<Left, Right> =
  (<T>() => T extends Left ? 1 : 2) extends <T>() => T extends Right ? 1 : 2 ? true : false
const holds = <T extends true>(..._: T[]): void => {}
declare const takesSocket: (socket: nodeNet.Socket) => void
declare const takesServer: (server: nodeNet.Server) => void

export async function client(path: UnixSocketPath, options: ConnectOptions = {}): Promise<number> {
  const socket: UnixSocket = await connect(path, { ...options, timeout: 1000 })
  const peer: PeerCredentials = socket.peer
  socket.write('text', error => error?.message)
  socket.end(Buffer.of(1))
  for await (const chunk of socket) holds<Same<typeof chunk, any>>(chunk)
  await socket[Symbol.asyncDispose]()
  const duplex: Duplex = socket
  return duplex.readableLength + peer.uid
}

export async function server(options?: ListenOptions): Promise<UnixListener> {
  const listener = await listen(abstractName('name'), { backlog: 511, allow: 'self', ...options })
  listener.on('close', () => {}).on('overload', overload => String(overload))
  const controller = new AbortController()
  const accepted = await listener.accept({ signal: controller.signal })
  holds<Same<typeof accepted, UnixSocket>>(true)
  for await (const socket of listener) socket.pipe(socket)
  await listener.close({ drain: true })
  return listener
}

export async function messages(socket: UnixSocket, other: Socket): Promise<void> {
  const framed: MessageSocket = new FramedSocket(socket, { maxMessageLength: 10 })
  framed.on('message', message => holds<Same<typeof message, Buffer>>(true))
  framed.once('error', error => error.message).off('drain', () => {})
  for await (const message of framed) framed.send(message.subarray(1))
  await framed.sendAndWait('text')
  new FramedSocket(other).end('text').destroy()
}

export function known(value: unknown): string {
  if (isUnixListener(value)) return String(value.path)
  if (isUnixSocketPath(value)) return value.toString()
  if (value instanceof UnixSocket) return value.readyState
  if (value instanceof UnixListener) return String(value.closed)
  return (value as SystemError).code ?? String(isSupported)
}

class OwnSocket extends net.Socket {
  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    super._write(chunk, encoding, callback)
  }

  override destroy(error?: Error): this {
    return super.destroy(error)
  }
}

class OwnServer extends net.Server {
  override close(callback?: (error?: Error) => void): this {
    return super.close(callback)
  }
}

export async function packets(): Promise<string> {
  const listener = await listen('/run/p', { type: 'seqpacket', maxMessageLength: 10, idleTimeout: 1000 })
  const accepted: PacketSocket = await listener.accept()
  const client = await connect('/run/p', { type: 'seqpacket', timeout: 10 })
  holds<Same<typeof client, PacketSocket>>(true)
  client.on('message', (message, { truncated }) => client.send(truncated ? '' : message))
  for await (const { data, truncated } of accepted.messages()) if (truncated) return data.toString()
  for await (const message of accepted) await client.sendAndWait(message)
  const [one] = socketpair({ type: 'seqpacket' })
  const leaving: Promise<Descriptor> = one.detach()
  void leaving.then(descriptor => descriptor.close())
  listener.duplicate().close()
  // @ts-expect-error A stream has no longest message.
  void (() => connect('/run/p', { maxMessageLength: 1 }))
  return String(one.peer.uid)
}

export async function datagrams(path: UnixSocketPath): Promise<string | null> {
  const bound: DatagramSocket = await bindDatagram(path, { mode: 0o600, credentials: true, whenFull: 'drop' })
  await using sender = await bindDatagram({ autobind: true })
  bound.on('message', (message, info) => {
    holds<Same<typeof info, DatagramInfo>>(true)
    if (info.from !== undefined) sender.send(message, { to: info.from }, error => error?.message)
  })
  for await (const { data, from, peer } of bound) if (from === path) return `${data.toString()} ${peer?.uid}`
  const [one] = socketpair({ type: 'datagram', maxMessageLength: 1 })
  using left: Descriptor = await one.detach()
  void left.fd
  holds<Same<typeof one, DatagramSocket>>(true)
  const stream = await adopt(0, { type: 'stream' })
  holds<Same<typeof stream, UnixSocket>>(true)
  const any = await adopt(0)
  holds<Same<typeof any, UnixSocket | PacketSocket | DatagramSocket>>(true)
  const socket = createSocket('unix_dgram', (message, rinfo) => {
    holds<Same<typeof rinfo, RemoteInfo>>(true)
    socket.send(message, 0, rinfo.size, rinfo.path ?? '/run/a', error => error?.message)
  })
  socket.on('congestion', message => socket.send(message)).once('error', error => error.message)
  return null
}

export function dropIn(options: NetConnectOpts & { path: string }): string | AddressInfo | null {
  const plain: net.Server = createServer({ allowHalfOpen: true }, socket => {
    holds<Same<typeof socket, Socket>>(true)
    socket.on('data', data => socket.write(data)).on('close', () => socket.destroySoon())
    socket.once('error', error => error.message).setEncoding('utf8')
  })
  plain.on('connection', socket => socket.closeRead()).once('error', error => error.message)
  plain.on('listening', () => {}).listen('/run/a', 511, () => {})
  plain.listen({ path: '/run/a', readableAll: true })
  takesServer(plain)
  takesServer(new OwnServer())
  const made: Socket = net.connect('/run/a', () => {}).setTimeout(10)
  takesSocket(made.connect({ path: '/run/a' }))
  takesSocket(net.createConnection(options).ref().setNoDelay())
  takesSocket(new OwnSocket({ allowHalfOpen: true }))
  nodeNet.createServer(takesSocket).on('connection', socket => socket.pipe(made))
  const withoutNew: [net.Socket, Server] = [net.Socket(), net.Server()]
  const list: net.BlockList = new net.BlockList()
  list.addAddress('127.0.0.1')
  // @ts-expect-error A port is no path.
  void (() => net.connect(80))
  return net.isIP('::1') === 6 ? withoutNew[1].address() : String(made.peer.uid)
}

export async function overHttp(): Promise<unknown> {
  const agent: http.Agent = new Agent('/run/d', { keepAlive: true })
  http.get({ agent, path: '/' }, response => response.resume())
  const served = await serve(
    http.createServer((_, response) => response.end('text')),
    '/run/d',
  )
  await served.close()
  return [new HttpsAgent({ socketPath: '/run/e' }), undiciConnector('/run/d')]
}
