import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs, { createReadStream, writeFileSync } from 'node:fs'
import { type Agent as HttpAgent, createServer as createHttpServer, request } from 'node:http'
import net, { type Server } from 'node:net'
import { join } from 'node:path'
import { Duplex, PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream, type WritableStream } from 'node:stream/web'
import { constants, createGunzip, createGzip } from 'node:zlib'
import { type ExecutionContext } from 'ava'
import { Agent } from '../../http.js'
import { connect } from '../../index.js'
import ourNet from '../../net.js'
import { directory, listening, once, sleep } from '../helpers/sockets.js'
import { isNode } from '../helpers/runtimes.js'
import { sha256 } from '../helpers/streams.js'

/** How fast an end of a transfer is. */
export type Pace = 'fast' | 'slow'

/** The bytes in pieces, small ones that a writer may copy and large ones that it may not. */
export function* pieces(data: Buffer): Generator<Buffer> {
  const sizes = [1, 65_536, 100, 16_384, 4096, 200_000, 16_385, 30_000]
  for (let at = 0, turn = 0; at < data.length; turn++) {
    const size = sizes[turn % sizes.length]!
    yield data.subarray(at, at + size)
    at += size
  }
}

async function* paced(data: Buffer, pace: Pace): AsyncGenerator<Buffer> {
  for (const piece of pieces(data)) {
    if (pace === 'slow') await sleep(1)
    yield piece
  }
}

const streamOf = (data: Buffer, pace: Pace): Readable =>
  Readable.from(pace === 'slow' ? paced(data, pace) : pieces(data), { objectMode: false })

/** Sends `data` and the end. An error of the receiver fails in the receiver's own check. */
export const send = (data: Buffer, pace: Pace, socket: Duplex): Promise<void> =>
  pipeline(streamOf(data, pace), socket).catch(() => {})

/** A server on a new path, closed after the test. */
export async function served(t: ExecutionContext, server: Server): Promise<string> {
  const path = join(directory(t), 's')
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return path
}

const destroyed = <T extends Duplex>(t: ExecutionContext, socket: T): T => {
  t.teardown(() => socket.destroy())
  return socket.on('error', () => {}) as T
}

export const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'

/** Asks for an upgrade. Returns the connection, with the bytes behind the answer's head put back. */
export function upgraded(agent: HttpAgent): Promise<Duplex> {
  const asking = request({ agent, headers: { connection: 'upgrade', upgrade: 'x' } }).end()
  return new Promise((resolve, reject) => {
    asking.on('error', reject)
    asking.on('upgrade', (_response, socket: Duplex, head) => {
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
  })
}

/** What is piped into a socket: a stream of `data` at that pace. */
export type Source = (t: ExecutionContext, data: Buffer, pace: Pace) => Promise<Readable> | Readable

export const sources: Record<string, Source> = {
  'a file': (t, data, pace) => {
    const file = join(directory(t), 'file')
    writeFileSync(file, data)
    if (pace === 'fast') return createReadStream(file)
    const read = ((...args: Parameters<typeof fs.read>) => setTimeout(() => fs.read(...args), 1)) as never
    return createReadStream(file, { fs: { open: fs.open, close: fs.close, read } })
  },
  'a socket of node:net': async (t, data, pace) => {
    const server = net.createServer(socket => void send(data, pace, destroyed(t, socket)))
    return destroyed(t, net.connect(await served(t, server)))
  },
  'a socket of udsock': async (t, data, pace) => {
    const listener = await listening(t)
    void listener.accept().then(socket => send(data, pace, destroyed(t, socket)))
    // Readable.toWeb() waits for both halves of a Duplex.
    return destroyed(t, await connect(listener.path, { allowHalfOpen: false }))
  },
  "a child's stdout": (t, data, pace) => {
    const child = spawn('cat', [], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    void pipeline(streamOf(data, pace), child.stdin).catch(() => {})
    return child.stdout
  },
  'Readable.from()': (_t, data, pace) => streamOf(data, pace),
  'a Readable that pushes in read()': (_t, data, pace) => {
    const left = pieces(data)
    return new Readable({
      read() {
        const push = (): unknown => this.push(left.next().value ?? null)
        if (pace === 'fast') push()
        else setTimeout(push, 1)
      },
    })
  },
  'an upgraded connection': async (t, data, pace) => {
    const server = createHttpServer()
    server.on('upgrade', (_request, socket: Duplex) => {
      destroyed(t, socket).write(switching)
      void send(data, pace, socket)
    })
    return destroyed(t, await upgraded(new Agent(await served(t, server))))
  },
  gzip: (_t, data, pace) => streamOf(data, pace).pipe(createGzip({ level: constants.Z_BEST_SPEED })),
  'a web stream': (_t, data, pace) => {
    const left = pieces(data)
    const source = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (pace === 'slow') await sleep(1)
        const { value, done } = left.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
    })
    return Readable.fromWeb(source)
  },
}

/** How a stream gets into a socket; resolves when the socket has finished. */
export const ways: Record<string, (source: Readable, sink: Duplex) => Promise<unknown>> = {
  'pipe()': (source, sink) => {
    const finished = once(sink, 'finish')
    source.pipe(sink)
    return finished
  },
  'pipeline()': (source, sink) => pipeline(source, sink),
  'pipeTo(Duplex.toWeb().writable)': (source, sink) => {
    const { writable } = Duplex.toWeb(sink) as { writable: WritableStream }
    return (Readable.toWeb(source) as ReadableStream).pipeTo(writable)
  },
}

type Net = typeof net

/** The socket that is piped into, and its peer. */
export interface Ends {
  sink: Duplex
  peer: Duplex
}

async function connectedTo(t: ExecutionContext, sinks: Net): Promise<Ends> {
  const server = net.createServer({ pauseOnConnect: true })
  const path = await served(t, server)
  const accepting = once<Duplex>(server, 'connection')
  const sink = sinks.connect(path)
  return { sink, peer: await accepting }
}

async function acceptedBy(t: ExecutionContext, sinks: Net): Promise<Ends> {
  const server = sinks.createServer()
  const path = await served(t, server)
  const accepting = once<Duplex>(server, 'connection')
  const peer = net.connect(path)
  return { sink: await accepting, peer }
}

const udsockNet = ourNet as unknown as Net

export const sinks: Record<string, (t: ExecutionContext) => Promise<Ends>> = {
  'connect()': async t => {
    const server = net.createServer({ pauseOnConnect: true })
    const path = await served(t, server)
    const accepting = once<Duplex>(server, 'connection')
    return { sink: await connect(path), peer: await accepting }
  },
  'accept()': async t => {
    const listener = await listening(t)
    const peer = net.connect(String(listener.path))
    return { sink: await listener.accept(), peer }
  },
  "udsock/net's connect()": t => connectedTo(t, udsockNet),
  "udsock/net's server": t => acceptedBy(t, udsockNet),
  // A reference: what passes here and fails with ours is a fault of ours.
  ...(isNode ? { "node:net's connect()": t => connectedTo(t, net) } : {}),
}

/** Reads all that `peer` gets: its length and hash. A slow peer begins late, and rests after each chunk. */
export async function digest(peer: Duplex, pace: Pace, isZipped = false): Promise<string> {
  const hash = createHash('sha256')
  let length = 0
  const stream: Duplex = isZipped ? createGunzip() : new PassThrough()
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length
    hash.update(chunk)
  })
  if (pace === 'slow') {
    await sleep(20)
    peer.on('data', () => {
      peer.pause()
      setTimeout(() => peer.resume(), 1)
    })
  }
  peer.on('data', (chunk: Buffer) => stream.write(chunk))
  await new Promise<void>((resolve, reject) => {
    for (const one of [peer, stream]) one.on('error', reject)
    peer.on('end', () => stream.end())
    peer.on('close', () => {
      if (!peer.readableEnded) reject(new Error(`closed after ${length} bytes, without an end`))
    })
    stream.on('end', resolve)
    peer.resume()
  })
  return `${length} bytes, ${hash.digest('hex')}`
}

const MiB = 1024 * 1024
const pool = randomBytes(2 * MiB + 65_536)
let turn = 0

/** Bytes for one transfer, different from those of the transfer before, and their `digest()`. */
export function bytesFor(...paces: Pace[]): { data: Buffer; expected: string } {
  const start = (turn++ * 4099) % 65_536
  const data = pool.subarray(start, start + (paces.includes('slow') ? MiB : 2 * MiB))
  return {
    data,
    expected: `${data.length} bytes, ${sha256(data)}`,
  }
}
