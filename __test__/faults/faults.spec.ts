import test from 'ava'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { addon, type Cell, check, errors, faultsOf, type Passed, run, wakers } from './run.js'

/** What became of a descriptor that the package was to take over. */
interface Adoption {
  way: string
  code: string
  isOpen: boolean
}

const moving: ReadonlySet<string> = new Set(['recv', 'send'])
/** Every site that traffic comes by; see crates/udsock/src/fault.rs. */
const sites = (
  'recv send accept epoll_ctl epoll_wait wake poll shutdown connect socket probe getsockopt setsockopt getpeername ' +
  'bind listen lstat open fstat chmod fchmod flock rename unlink'
).split(' ')

for (const waker of wakers)
  for (const site of waker === 'doorbell' ? [...sites, 'ring'] : sites)
    test.serial(`${site} on ${waker}: bytes exact or an error, in time, and nothing left`, async t => {
      const kinds = moving.has(site) ? [...errors, 'short', 'zero'] : errors
      // What comes at once, and what comes in between. Without a second look a file's owner is unknown.
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
      `${site} on ${waker}: the engine that cannot start reports why, leaves nothing, and starts later`,
      async t => {
        const cells = await run<Cell & { outcome: string }>(t, waker, 'start.js', [site, errors.join()])
        t.is(cells.pop()?.outcome, 'ENOENT')
        for (const { kind, faults, outcome, leaked } of cells)
          t.deepEqual([faults, outcome, leaked], [1, kind === 'EAGAIN' ? outcome : kind, 0])
        t.is(cells.length, 1 + errors.length)
      },
    )

for (const waker of wakers)
  test.serial(
    `a descriptor that the engine on ${waker} cannot take stays the caller's, and open`,
    async t => {
      const outcomes = await run<Adoption>(t, waker, 'adoption.js', ['epoll_ctl:ENOSPC:times=1'])
      t.is(outcomes.length, 7)
      for (const { way, code, isOpen } of outcomes) t.deepEqual([way, code, isOpen], [way, 'ENOSPC', true])
    },
  )

/** Faults under which nothing is lost, and such under which the connection may fail. */
const passing = {
  harmless: [
    'send:EAGAIN:every=2',
    'recv:EAGAIN:every=2',
    'send:EAGAIN:p=0.5,recv:EAGAIN:p=0.5',
    'send:EINTR:every=2,recv:EINTR:every=3',
    'send:short:every=2',
    'send:zero:every=3',
    'send:short:p=0.3,send:EAGAIN:p=0.3,recv:short:p=0.3',
  ],
  failing: ['send:ENOBUFS:every=100', 'recv:ECONNRESET:every=150', 'send:EPIPE:every=100'],
} as const

for (const waker of wakers)
  for (const [which, plans] of Object.entries(passing))
    for (const rules of plans)
      test.serial(`descriptors and their bytes under ${rules} on ${waker}`, async t => {
        const [faulty, after] = await run<Passed>(t, waker, 'descriptors.js', [rules, '7'])
        t.deepEqual([faulty!.broken, faulty!.left, after!.broken, after!.left], [[], 0, [], 0])
        t.true(faultsOf(faulty!) > 10 || which === 'failing')
        if (which === 'harmless') t.deepEqual([faulty!.errors, faulty!.counts], [[], [1500, 1500]])
        t.deepEqual([after!.errors, after!.counts], [[], [1500, 1500]])
      })

/** The same for packets, whose system calls are their own. */
const packetPassing = {
  harmless: [
    'sendmmsg:EAGAIN:every=2',
    'recvmmsg:EAGAIN:every=2',
    'sendmmsg:EAGAIN:p=0.5,recvmmsg:EAGAIN:p=0.5',
    'sendmmsg:EINTR:every=2,recvmmsg:EINTR:every=3',
    'sendmmsg:short:every=2',
    'sendmmsg:zero:every=3',
    'sendmmsg:short:p=0.3,sendmmsg:EAGAIN:p=0.3,recvmmsg:short:p=0.3',
  ],
  failing: ['sendmmsg:ENOBUFS:every=40', 'recvmmsg:ECONNRESET:every=40', 'sendmmsg:EPIPE:every=40'],
} as const

for (const waker of wakers)
  for (const [which, plans] of Object.entries(packetPassing))
    for (const rules of plans)
      test.serial(`packets under ${rules} on ${waker}`, async t => {
        const [faulty, after] = await run<Passed>(t, waker, 'packets.js', [rules, '7'])
        t.deepEqual([faulty!.broken, faulty!.left, after!.broken, after!.left], [[], 0, [], 0])
        t.true(faultsOf(faulty!) > 0)
        if (which === 'harmless') t.deepEqual([faulty!.errors, faulty!.counts], [[], [1500, 1500]])
        else t.true(faulty!.errors.length > 0)
        t.deepEqual([after!.errors, after!.counts], [[], [1500, 1500]])
      })

/** The same for records. */
const recordPlans = [
  'sendmmsg:EAGAIN:every=2',
  'recvmmsg:EAGAIN:every=2',
  'sendmmsg:EINTR:every=2,recvmmsg:EINTR:every=3',
  'sendmmsg:zero:every=3',
  'sendmmsg:EAGAIN:p=0.5,recvmmsg:EAGAIN:p=0.5',
]

for (const waker of wakers)
  for (const rules of recordPlans)
    test.serial(`descriptors and their records under ${rules} on ${waker}`, async t => {
      const [faulty, after] = await run<Passed>(t, waker, 'packet-descriptors.js', [rules, '7'])
      for (const round of [faulty!, after!]) t.like(round, { errors: [], counts: [600], broken: [], left: 0 })
      t.true(faultsOf(faulty!) > 10)
    })

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
  await import('../../binding.cjs')
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  const released = readFileSync(loaded.find(file => file.endsWith('.node'))!)
  // A symbol, which stripping leaves, and an export.
  for (const marker of ['udsock_faults', 'setFaults']) {
    t.false(released.includes(marker), marker)
    t.true(readFileSync(addon).includes(marker), `${marker} is a marker`)
  }
})
