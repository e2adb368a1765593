/** How the fault specs start their programs. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type ExecutionContext } from 'ava'

/** The addon that `npm run test:faults` builds. */
export const addon = fileURLToPath(new URL('../../target/faults/udsock.node', import.meta.url))

/** Errors that a system call may fail with: those that it never has on Linux, too. */
export const errors = ['EINTR', 'EAGAIN', 'ENOBUFS', 'ENOMEM', 'EMFILE', 'ENFILE', 'ECONNRESET', 'EPIPE']

export const wakers = ['libuv', 'doorbell'] as const

/** A program's report about one kind of fault. */
export interface Cell {
  kind: string
  calls: number
  faults: number
  exact: number
  surfaced: Record<string, number>
  cut: number
  uncaught: number
  broken: string[]
  leaked: number
  files: string[]
}

/** What one round of traffic came to. */
export interface Passed<Counts = number[]> {
  errors: string[]
  counts: Counts
  broken: string[]
  calls: Record<string, [number, number]>
  left: number
}

/** The most faults of one site in that round. */
export const faultsOf = (round: Passed<unknown>): number =>
  Math.max(...Object.values(round.calls).map(([, faults]) => faults))

/** A socket file that cannot be looked at or removed stays, and one at which a process answers is not ours. */
export const mayLeaveFiles = (site: string, kind: string): boolean =>
  ['lstat', 'unlink'].includes(site) || (site === 'probe' && kind === 'EAGAIN')

/** Runs a program on the addon with faults; its lines of JSON. */
export async function run<T>(t: ExecutionContext, waker: string, name: string, args: string[]): Promise<T[]> {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: addon, UDSOCK_WAKER: waker }
  // One thread of V8's, because Node's exit can wait for ever for the others: https://github.com/nodejs/node/issues/54918
  const child = spawn(process.execPath, ['--single-threaded', file, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 4 * 60_000,
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => (output += text))
  const [code, signal] = await new Promise<unknown[]>(resolve =>
    child.on('close', (...ended) => resolve(ended)),
  )
  const lines = output.trim().split('\n')
  t.deepEqual([code, signal, lines.shift()], [0, null, 'ready'], 'the process lives to its end')
  return lines.map(line => JSON.parse(line) as T)
}

export function check(t: ExecutionContext, site: string, cell: Cell, what: string): void {
  t.deepEqual(cell.broken, [], what)
  t.is(cell.leaked, 0, `${what}: descriptors`)
  t.true(cell.faults > 0, `${what}: nothing failed`)
  if (!mayLeaveFiles(site, cell.kind)) t.deepEqual(cell.files, [], what)
  // What concerns no socket but all of them has no other way out.
  if (site !== 'epoll_wait') t.is(cell.uncaught, 0, `${what}: ${JSON.stringify(cell.surfaced)}`)
}
