import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import nodeNet, { type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test from 'ava'
import ourNet from '../../net.js'
import { isNode } from '../helpers/runtimes.js'

export type Net = typeof nodeNet

/** Both have the same members; the tests compare their behaviour. */
const implementations = { 'node:net': nodeNet, 'udsock/net': ourNet as unknown as Net }

/** What a program saw, in order, under the names of its tracks. */
export type Tracks = Record<string, unknown[]>

/** An intended difference, with its reason. docs/migrating-from-node-net.md lists it. */
export interface Difference {
  reason: string
  /** What ours does. */
  ours: Tracks
  /** Of which major versions of Node, if not of all. */
  nodes?: (major: number) => boolean
}

export type Program = (world: World) => Promise<unknown> | void

const events = [
  'connectionAttempt',
  'connectionAttemptFailed',
  'lookup',
  'connect',
  'ready',
  'end',
  'drain',
  'timeout',
  'finish',
  'error',
  'listening',
  'connection',
  'drop',
  'close',
]
const seconds = 20
const argumentCodes = /^ERR_(INVALID_ARG|MISSING_ARGS|OUT_OF_RANGE|SOCKET_BAD_PORT)/

/** One run of a program: its net, a fresh directory, and what it notes. */
export class World {
  readonly net: Net
  readonly directory = mkdtempSync(join(tmpdir(), 'un-'))
  readonly path = join(this.directory, 's')
  /** An abstract name of 107 bytes: with shorter ones Node 20 pads. */
  readonly abstract = `\0${randomBytes(6).toString('hex')}`.padEnd(108, 'x')
  readonly tracks: Tracks = {}
  readonly #ends: (() => void)[] = []

  constructor(net: Net) {
    this.net = net
  }

  /** Adds to a track. */
  note(track: string, ...values: unknown[]): void {
    const known = (this.tracks[track] ??= [])
    for (const value of values) known.push(this.#describe(value))
  }

  /** Notes an emitter's events, and closes it in the end. */
  follow<T extends EventEmitter>(track: string, emitter: T, only: readonly string[] = events): T {
    for (const event of only)
      emitter.on(event, (...args: unknown[]) =>
        this.note(track, args.length === 0 ? event : [event, ...args]),
      )
    return this.keep(emitter)
  }

  /** Closes it in the end. */
  keep<T extends EventEmitter>(emitter: T): T {
    this.#ends.push(() => {
      emitter.on('error', () => {})
      if ('destroy' in emitter) (emitter as unknown as Socket).destroy()
      else (emitter as unknown as Server).close()
    })
    return emitter
  }

  /** Notes all that a socket gives, as one text: no API promises where chunks begin. */
  collect(track: string, socket: Socket): Socket {
    const chunks: string[] = []
    socket.on('data', chunk => chunks.push(chunk.toString('latin1')))
    socket.on('end', () => this.note(track, `data: ${summary(chunks.join(''))}`))
    return socket
  }

  /** Notes what `work` throws or returns. */
  attempt(track: string, work: () => unknown): void {
    try {
      this.note(track, work())
    } catch (error) {
      this.note(track, ['throws', error])
    }
  }

  /** Notes uncaught exceptions while `work` runs. */
  async catching(work: () => Promise<unknown>): Promise<void> {
    // Instead of AVA, for which it would be a failure.
    process.setUncaughtExceptionCaptureCallback(error => this.note('uncaught', error))
    try {
      await work()
    } finally {
      process.setUncaughtExceptionCaptureCallback(null)
    }
  }

  /** A server that listens on the path. */
  async serve(options: object = {}, listener?: (socket: Socket) => void, track?: string): Promise<Server> {
    const server = this.net.createServer(options, socket => {
      this.keep(socket)
      listener?.(socket)
    })
    if (track === undefined) this.keep(server)
    else this.follow(track, server)
    server.listen(this.path)
    await once(server, 'listening')
    return server
  }

  /** A connected pair: a client and its server's socket. */
  async pair(
    options: object = {},
    serverOptions: object = {},
  ): Promise<{ client: Socket; accepted: Socket; server: Server }> {
    const server = await this.serve(serverOptions)
    const accepting = once(server, 'connection')
    const client = this.keep(this.net.connect({ path: this.path, ...options }))
    const [[accepted]] = await Promise.all([accepting, once(client, 'connect')])
    return { client, accepted: accepted as Socket, server }
  }

  end(): void {
    for (const end of this.#ends) end()
    rmSync(this.directory, { recursive: true, force: true })
  }

  #describe(value: unknown): unknown {
    if (typeof value === 'string')
      return value.replaceAll(this.directory, '<directory>').replaceAll(this.abstract, '<abstract>')
    if (typeof value === 'function') return '[function]'
    if (value instanceof Error) return this.#describeError(value)
    if (value instanceof EventEmitter) return '[emitter]'
    if (ArrayBuffer.isView(value))
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
    if (Array.isArray(value)) return value.map(item => this.#describe(item))
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#describe(item)]))
    return value
  }

  #describeError(error: Error): unknown {
    const { name, message, code } = error as NodeJS.ErrnoException
    // Ours are in its own words.
    if (argumentCodes.test(code ?? '')) return { name, code }
    return this.#describe({ ...error, name, message, code })
  }
}

function summary(text: string): string {
  return text.length < 100 ? text : `${text.length} bytes, ${text.slice(0, 20)} to ${text.slice(-20)}`
}

export function once(emitter: EventEmitter, event: string): Promise<unknown[]> {
  return new Promise(resolve => emitter.once(event, (...args: unknown[]) => resolve(args)))
}

/** Both emitters' 'close'. */
export function closed(...emitters: EventEmitter[]): Promise<unknown> {
  return Promise.all(emitters.map(emitter => once(emitter, 'close')))
}

/**
 * Waits for so many milliseconds, for what should not happen. On a busy machine, where timers are late, events are late, too: then it waits
 * again, until two timers in succession are on time.
 */
export async function quiet(milliseconds = 40): Promise<void> {
  for (let round = 0, onTime = 0; round < 8 && onTime < 2; round++) {
    const start = performance.now()
    await new Promise(resolve => setTimeout(resolve, milliseconds / 2))
    onTime = performance.now() - start < milliseconds / 2 + 5 ? onTime + 1 : 0
  }
}

async function run(net: Net, program: Program): Promise<Tracks> {
  const world = new World(net)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const fail = (): void =>
      reject(new Error(`not within ${seconds} s; so far ${JSON.stringify(world.tracks)}`))
    timer = setTimeout(fail, seconds * 1000)
  })
  try {
    await Promise.race([program(world), late])
    // A copy, because the clean-up adds events.
    return structuredClone(world.tracks)
  } finally {
    clearTimeout(timer)
    world.end()
  }
}

const major = Number(process.versions.node.split('.')[0])

/** Runs a program against node:net and against udsock/net: they do the same, except for `difference`. */
export function compare(title: string, program: Program, difference?: Difference): void {
  test.serial(title, async t => {
    const ours = await run(implementations['udsock/net'], program)
    // Other runtimes' node:net is no reference.
    if (!isNode) {
      t.pass()
      return
    }
    const theirs = await run(implementations['node:net'], program)
    if (difference === undefined || difference.nodes?.(major) === false) {
      t.deepEqual(ours, theirs)
      return
    }
    t.deepEqual(ours, difference.ours)
    t.false(isDeepStrictEqual(ours, theirs), 'there is no such difference')
  })
}
