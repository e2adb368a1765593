import net, { type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from '../../index.js'
import ourNet from '../../net.js'
import { directory, once } from '../helpers/sockets.js'
import { pattern, sha256 } from '../helpers/streams.js'
import { isNode } from '../helpers/runtimes.js'

type Callback = (error?: Error | null) => void
export type Chunk = string | Uint8Array

/** A socket with the members that pipe(), Writable, node:http and ws call, but users do not. */
export type OpenSocket = Socket & {
  _write(chunk: Chunk, encoding: string, callback: Callback): void
  _writev(chunks: Chunks, callback: Callback): void
  _writableState: { length: number; corked: number }
}

/** What Writable hands to `_writev`. */
export type Chunks = { chunk: Chunk; encoding: string }[] & { allBuffers?: boolean }

export function chunksOf(...given: (Uint8Array | [string, BufferEncoding])[]): Chunks {
  const chunks: Chunks = given.map(one =>
    Array.isArray(one) ? { chunk: one[0], encoding: one[1] } : { chunk: one, encoding: 'buffer' },
  )
  chunks.allBuffers = chunks.every(({ chunk }) => typeof chunk !== 'string')
  return chunks
}

/** More than what the kernel takes for a peer that does not read. */
const tooMuch = 8 * 1024 * 1024

const codeOrMessage = (error: Error): string => (error as NodeJS.ErrnoException).code ?? error.message

/** One run of a program: a socket, its peer, and what the program notes. */
export class Run {
  readonly socket: OpenSocket
  /** node:net's, paused, and half-open after its peer's end. */
  readonly peer: Promise<Socket>
  readonly notes: unknown[] = []

  constructor(socket: Socket, peer: Promise<Socket>) {
    this.socket = socket as OpenSocket
    this.peer = peer
  }

  note(...values: unknown[]): void {
    for (const value of values) this.notes.push(value instanceof Error ? codeOrMessage(value) : value)
  }

  /** Notes these events of the socket. */
  follow(...events: string[]): void {
    for (const event of events) this.socket.on(event, this.noted(`'${event}'`))
  }

  /** A callback that is noted, with its error's code. */
  noted(name: string): Callback {
    return error => this.note(error instanceof Error ? `${name} ${codeOrMessage(error)}` : name)
  }

  /** What `work` throws. */
  attempt(work: () => unknown): void {
    try {
      work()
      this.note('no exception')
    } catch (error) {
      this.note(`throws ${codeOrMessage(error as Error)}`)
    }
  }

  /** `_write` with a promise for its callback. */
  write(chunk: Chunk, encoding = typeof chunk === 'string' ? 'utf8' : 'buffer'): Promise<void> {
    return new Promise((resolve, reject) =>
      this.socket._write(chunk, encoding, error => (error ? reject(error) : resolve())),
    )
  }

  /** `_writev` with a promise for its callback. */
  writev(chunks: Chunks): Promise<void> {
    return new Promise((resolve, reject) =>
      this.socket._writev(chunks, error => (error ? reject(error) : resolve())),
    )
  }

  /** All that the peer gets, to its end or 'close'. */
  async received(): Promise<Buffer> {
    const peer = await this.peer
    const chunks: Buffer[] = []
    peer.on('data', chunk => chunks.push(chunk))
    peer.resume()
    await Promise.race([once(peer, 'end'), once(peer, 'close')])
    return Buffer.concat(chunks)
  }
}

/** Writes, and notes its observations. Returns the bytes that the peer got. */
export type Program = (run: Run) => Promise<Buffer | void>

interface Opened {
  name: string
  open(path: string): Promise<Socket>
}

const throughNet = (name: string, implementation: unknown, isAwaited: boolean): Opened => ({
  name,
  open: async path => {
    const socket = (implementation as typeof net).connect({ path, allowHalfOpen: true })
    if (isAwaited) await once(socket, 'connect')
    return socket
  },
})

const states = {
  connected: {
    reference: throughNet('node:net', net, true),
    subjects: [
      { name: 'connect()', open: async (path: string) => (await connect(path)) as unknown as Socket },
      throughNet('udsock/net', ourNet, true),
    ],
  },
  connecting: {
    reference: throughNet('node:net', net, false),
    subjects: [throughNet('udsock/net, before it is connected', ourNet, false)],
  },
  /** The connection fails, because there is no such path. */
  failing: {
    reference: throughNet('node:net', net, false),
    subjects: [throughNet('udsock/net, which cannot connect', ourNet, false)],
  },
} as const

async function outcome(
  t: ExecutionContext,
  { open }: Opened,
  program: Program,
  state: keyof typeof states,
): Promise<object> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const path = join(directory(t), 's')
  server.listen(path)
  await once(server, 'listening')
  const peer = once<Socket>(server, 'connection')
  const socket = await open(state === 'failing' ? `${path}-not` : path)
  t.teardown(() => {
    server.close()
    socket.on('error', () => {}).destroy()
  })
  void peer.then(accepted => {
    accepted.on('error', () => {})
    t.teardown(() => accepted.destroy())
  })
  const run = new Run(socket, peer)
  const received = await program(run)
  const bytes = received && {
    length: received.length,
    hash: sha256(received),
  }
  return { notes: run.notes, bytes }
}

const isEvent = (note: unknown): boolean => typeof note === 'string' && note.startsWith("'")

/** Callbacks and events apart, in their orders. */
function apart(result: object): object {
  const { notes } = result as { notes: unknown[] }
  return { ...result, notes: [notes.filter(note => !isEvent(note)), notes.filter(isEvent)] }
}

/**
 * Runs a program over node:net's socket and over ours, which have to do the same. With `isTickwise`, the sockets of `connect()` may report 'error'
 * and 'close' in another place among the callbacks: they close in a tick, as streams do, and wait for no handle of the event loop's.
 */
export function contract(
  title: string,
  program: Program,
  {
    expected,
    state = 'connected',
    isTickwise = false,
  }: { expected?: Buffer; state?: keyof typeof states; isTickwise?: boolean } = {},
): void {
  const { reference, subjects } = states[state]
  for (const subject of subjects)
    test(`${title} (${subject.name})`, async t => {
      t.timeout(30_000)
      const ours = await outcome(t, subject, program, state)
      if (expected !== undefined)
        t.like(ours, {
          bytes: { length: expected.length, hash: sha256(expected) },
        })
      // Other runtimes' node:net is no reference.
      if (!isNode) return t.pass()
      const theirs = await outcome(t, reference, program, state)
      if (isTickwise && subject.name === 'connect()') t.deepEqual(apart(ours), apart(theirs))
      else t.deepEqual(ours, theirs)
    })
}

export const bytes = (text: string, encoding: BufferEncoding = 'utf8'): Buffer => Buffer.from(text, encoding)

/** Chunks that are copied, and chunks that are not. */
export const chunks = [1, 100, 16_384, 16_385, 65_536, 3, 200_000, 5000, 1].map((length, index) =>
  pattern(length, index + 1),
)

export const large = pattern(tooMuch, 99)
