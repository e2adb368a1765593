import test, { type ExecutionContext } from 'ava'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const addon = fileURLToPath(new URL('../../target/faults/udsock.node', import.meta.url))

/** Errors that a system call may fail with: those that it never has on Linux, too. */
const errors = ['EINTR', 'EAGAIN', 'ENOBUFS', 'ENOMEM', 'EMFILE', 'ENFILE', 'ECONNRESET', 'EPIPE']
const moving: ReadonlySet<string> = new Set(['recv', 'send'])
/** Every site that traffic comes by; see the crate udsock-faults. */
const sites = (
  'recv send accept epoll_ctl epoll_wait wake poll shutdown connect socket probe getsockopt setsockopt getpeername ' +
  'bind listen lstat open fstat chmod fchmod flock rename unlink'
).split(' ')
const wakers = ['libuv', 'doorbell'] as const

/** What a program says of one kind of fault. */
interface Cell {
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

/** A socket file that cannot be looked at or removed stays, and one at which somebody answers is not ours. */
const mayLeaveFiles = (site: string, kind: string): boolean =>
  ['lstat', 'unlink'].includes(site) || (site === 'probe' && kind === 'EAGAIN')

/** Runs a program on the addon with faults; its lines of JSON. */
async function run<T>(t: ExecutionContext, waker: string, name: string, args: string[]): Promise<T[]> {
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

function check(t: ExecutionContext, site: string, cell: Cell, what: string): void {
  t.deepEqual(cell.broken, [], what)
  t.is(cell.leaked, 0, `${what}: descriptors`)
  t.true(cell.faults > 0, `${what}: nothing failed`)
  if (!mayLeaveFiles(site, cell.kind)) t.deepEqual(cell.files, [], what)
  // What concerns no socket but all of them has no other way out.
  if (site !== 'epoll_wait') t.is(cell.uncaught, 0, `${what}: ${JSON.stringify(cell.surfaced)}`)
}

for (const waker of wakers)
  for (const site of waker === 'doorbell' ? [...sites, 'ring'] : sites)
    test.serial(`${site} on ${waker}: bytes exact or an error, in time, and nothing left`, async t => {
      const kinds = moving.has(site) ? [...errors, 'short', 'zero'] : errors
      // What comes at once, and what comes in between. Without a second look nobody knows whose a file is.
      const rule = site === 'lstat' ? `${site}:KIND:every=7` : `${site}:KIND:times=2,${site}:KIND:every=7`
      const cells = await run<Cell>(t, waker, 'matrix.js', [site, kinds.join(), rule, '7'])
      t.deepEqual(
        cells.map(cell => cell.kind),
        kinds,
      )
      for (const cell of cells) check(t, site, cell, `${site} ${cell.kind}`)
      if (process.env['UDSOCK_FAULTS_TABLE'] !== undefined)
        for (const { kind, calls, faults, exact, surfaced, cut } of cells) {
          const told = Object.values(surfaced).reduce((sum, count) => sum + count, 0)
          t.log(`${kind}: ${faults} of ${calls} calls; ${exact} exact, ${told} errors, ${cut} cut`)
        }
    })

for (const waker of wakers)
  for (const site of waker === 'doorbell'
    ? ['epoll_create', 'eventfd', 'fcntl']
    : ['epoll_create', 'eventfd'])
    test.serial(
      `${site} on ${waker}: the engine that cannot start says why, leaves nothing, and starts later`,
      async t => {
        const cells = await run<Cell & { outcome: string }>(t, waker, 'start.js', [site, errors.join()])
        t.is(cells.pop()?.outcome, 'ENOENT')
        for (const { kind, faults, outcome, leaked } of cells)
          t.deepEqual([faults, outcome, leaked], [1, kind === 'EAGAIN' ? outcome : kind, 0])
        t.is(cells.length, 1 + errors.length)
      },
    )

/** Little of everything at once. `UDSOCK_FAULTS_SEED` gives a seed back. */
const anything = [...errors, 'ENOSPC'].map(kind => `*:${kind}:p=0.004`)
const little = [
  ...anything,
  ...['short', 'zero'].map(kind => `send:${kind}:p=0.03`),
  'recv:short:p=0.05',
  '*:delay=2:p=0.01',
]
const given = process.env['UDSOCK_FAULTS_SEED']
const random = Math.floor(Math.random() * 2 ** 31)
const seeds = given === undefined ? [1, 2, 3, 4, 5, 6, 7, random] : [Number(given)]

for (const waker of wakers)
  for (const [index, seed] of seeds.entries())
    test.serial(
      `anything may fail on ${waker}: ${index < 7 && given === undefined ? `seed ${seed}` : 'another seed'}`,
      async t => {
        const cells = await run<Cell>(t, waker, 'matrix.js', ['*', 'mixed', little.join(), String(seed)])
        for (const cell of cells) {
          // Files may stay where looking at them failed.
          const what = `UDSOCK_FAULTS_SEED=${seed} UDSOCK_WAKER=${waker}`
          check(t, 'epoll_wait', { ...cell, files: [] }, what)
        }
      },
    )

test('a release has nothing of it', async t => {
  await import('../../binding.js')
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  const released = readFileSync(loaded.find(file => file.endsWith('.node'))!)
  // A symbol, which stripping leaves, and an export.
  for (const marker of ['udsock_faults', 'setFaults']) {
    t.false(released.includes(marker), marker)
    t.true(readFileSync(addon).includes(marker), `${marker} is a marker`)
  }
})
