import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { connect as connectNet, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { createContext, runInContext } from 'node:vm'
import { type ExecutionContext, type TestFn } from 'ava'
import { abstractName, connect, listen, type UnixSocket, type UnixSocketPath } from '../index.js'
import { descriptors, eventually, once } from './helpers.js'

/** What a process left. */
export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  errors: string
}

/** A path as a program takes it: `@` and hexadecimal digits for an abstract name. */
export function argument(path: UnixSocketPath): string {
  return path instanceof Uint8Array ? `@${Buffer.from(path.subarray(1)).toString('hex')}` : String(path)
}

/** A process of the test, killed after it if it still runs. */
export function start(
  t: ExecutionContext,
  command: string,
  args: readonly string[],
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  let errors = ''
  child.stdout.on('data', chunk => (output += String(chunk)))
  child.stderr.on('data', chunk => (errors += String(chunk)))
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, output, errors }))
  })
  return { child, outcome }
}

/** One of the programs beside the tests. */
export function program(
  t: ExecutionContext,
  name: string,
  ...args: string[]
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const file = fileURLToPath(new URL(`programs/${name}.js`, import.meta.url))
  return start(t, process.execPath, [file, ...args])
}

/** A connection by node:net, which knows no abstract names before Node 22. */
export async function netConnect(t: ExecutionContext, path: UnixSocketPath): Promise<Socket> {
  const socket = connectNet({ path: String(path), allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Larger than what the kernel holds for a connection. */
export const tooMuch = 4 * 1024 * 1024

/** Fills the kernel's buffer, so that everything written after it waits; how many bytes the peer has to skip. */
export function fill(socket: UnixSocket): number {
  if (socket.write(Buffer.alloc(tooMuch, 'f'))) throw new Error('the kernel took all of it')
  return tooMuch
}

/** Turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Numbers from 0 to below `limit`, the same for the same seed (mulberry32). */
export function generator(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

/** Bytes that tell where they belong. */
export function pattern(length: number, seed = 1): Buffer {
  const next = generator(seed)
  const block = Buffer.from(Array.from({ length: 1021 }, () => next(256)))
  return Buffer.alloc(length, block)
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The engine opens descriptors of its own at first use. */
async function useOnce(): Promise<void> {
  const listener = await listen(abstractName(`udsock-test-${process.pid}-${Date.now()}`))
  const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
  await Promise.all([client[Symbol.asyncDispose](), server[Symbol.asyncDispose](), listener.close()])
  await turns(2)
}

/** After each of the file's tests, which have to be serial, as many descriptors are open as before. */
export function eachLeavesNoDescriptor(test: TestFn): void {
  let before = 0
  test.before(useOnce)
  test.beforeEach(() => {
    before = descriptors()
  })
  test.afterEach.always('leaves no descriptor', async () => {
    await eventually('as many descriptors as before', () => descriptors() === before)
  })
}

/** After the file's tests as many descriptors are open as before. */
export function leavesNoDescriptors(test: TestFn): void {
  let before = 0
  test.before(async () => {
    await useOnce()
    before = descriptors()
  })
  test.after.always('no descriptor is left', async t => {
    await eventually(`${before} descriptors as before`, () => descriptors() <= before)
    t.pass()
  })
}

/** Names of the events that a socket emitted, 'data' and 'readable' left out: listening to them would start reading. */
export function recorded(socket: UnixSocket): string[] {
  const events: string[] = []
  for (const name of ['end', 'finish', 'error', 'drain', 'timeout', 'close']) {
    socket.on(name, (error?: unknown) => {
      const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
      events.push(code === undefined ? name : `${name} ${code}`)
    })
  }
  return events
}

/** Collects garbage. Bun, whose engine is not V8, has a function of its own for it. */
export function collector(): () => void {
  const { Bun } = globalThis as { Bun?: { gc(synchronous: boolean): void } }
  if (Bun !== undefined) return () => Bun.gc(true)
  setFlagsFromString('--expose-gc')
  return runInContext('gc', createContext()) as () => void
}
