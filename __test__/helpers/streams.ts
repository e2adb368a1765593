import { createHash } from 'node:crypto'
import { connect as connectNet, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { createContext, runInContext } from 'node:vm'
import { type ExecutionContext, type TestFn } from 'ava'
import { abstractName, connect, listen, type UnixSocket, type UnixSocketPath } from '../../index.js'
import { closed, descriptors, descriptorsAtRest, eventually, once } from './sockets.js'

/** Returns a path as an argument for a program: `@` and hexadecimal digits for an abstract name. */
export function argument(path: UnixSocketPath): string {
  return path instanceof Uint8Array ? `@${Buffer.from(path.subarray(1)).toString('hex')}` : String(path)
}

/** A connection by node:net, which has no abstract names before Node 22. */
export async function netConnect(t: ExecutionContext, path: UnixSocketPath): Promise<Socket> {
  const socket = connectNet({ path: String(path), allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Larger than what the kernel holds for a connection. */
export const tooMuch = 4 * 1024 * 1024

/** Fills the kernel's buffer, so that everything written after it waits. Returns how many bytes the peer has to skip. */
export function fill(socket: UnixSocket): number {
  if (socket.write(Buffer.alloc(tooMuch, 'f'))) throw new Error('the kernel took all of it')
  return tooMuch
}

/** Waits for some turns of the event loop. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Waits until `sockets` are closed, and for some turns in which nothing more may happen. */
export async function closedAndQuiet(...sockets: UnixSocket[]): Promise<void> {
  await closed(...sockets)
  await turns(5)
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

/** Bytes from which a wrong position shows. */
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

/** Checks after each of the file's tests, which must be serial, that as many descriptors are open as before; `use` opens those that stay. */
export function eachLeavesNoDescriptor(test: TestFn, use = useOnce): void {
  let before = 0
  test.before(use)
  test.beforeEach(async () => {
    if (descriptors() !== before) before = await descriptorsAtRest()
  })
  test.afterEach.always('leaves no descriptor', async () => {
    await eventually('as many descriptors as before', () => descriptors() === before)
  })
}

/** Checks after the file's tests that as many descriptors are open as before. */
export function leavesNoDescriptors(test: TestFn): void {
  let before = 0
  test.before(async () => {
    await useOnce()
    before = await descriptorsAtRest()
  })
  test.after.always('no descriptor is left', async t => {
    await eventually(`${before} descriptors as before`, () => descriptors() <= before)
    t.pass()
  })
}

/** Records the names of a socket's events, without 'data' and 'readable': a listener for them would start reading. */
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
