import test from 'ava'
import { type Cell, check, errors, faultsOf, type Passed, run, wakers } from './run.js'

/** Messages of each sender of datagrams.js. */
const total = 400
/** Senders of which every message must arrive under faults that are harmless: 'drop' drops. */
const complete = (counts: Record<string, number>): [string, number][] =>
  Object.entries(counts).filter(([name]) => name !== 'dropping')

const plans = {
  /** Nothing is lost, and no error is reported. */
  harmless: [
    'sendmmsg:EAGAIN:every=2',
    'recvmmsg:EAGAIN:every=2',
    'sendmmsg:EAGAIN:p=0.5,recvmmsg:EAGAIN:p=0.5',
    'sendmmsg:EINTR:every=2,recvmmsg:EINTR:every=3',
    'sendmmsg:ENOBUFS:every=3',
    'sendmmsg:EMSGSIZE:every=2',
    'sendmmsg:short:every=2',
    'sendmmsg:zero:every=3',
    'recvmmsg:zero:every=3',
    'sendmmsg:short:p=0.3,sendmmsg:EAGAIN:p=0.3,recvmmsg:short:p=0.3',
  ],
  /** Messages fail alone. */
  failingMessages: [
    'sendmmsg:ENOMEM:every=7',
    'sendmmsg:EACCES:p=0.2',
    'sendmmsg:ECONNREFUSED:every=3',
    'sendmmsg:ENOTCONN:every=3',
    'sendmmsg:ENOENT:every=3',
    'sendmmsg:EPIPE:every=5',
    'sendmmsg:EMSGSIZE:p=0.5',
    'sendmmsg:ETOOMANYREFS:every=5',
    'sendmmsg:ENOMEM:p=0.1,sendmmsg:ENOBUFS:p=0.1,sendmmsg:EAGAIN:p=0.2,sendmmsg:short:p=0.3,recvmmsg:EAGAIN:p=0.3',
  ],
  /** Receivers report a loss, which a fault is not. */
  reporting: ['recvmmsg:ECONNREFUSED:every=20', 'recvmmsg:ECONNRESET:every=20'],
  /** Receivers fail. */
  failingSockets: ['recvmmsg:ENOMEM:every=40', 'recvmmsg:ENOBUFS:every=40', 'recvmmsg:EPIPE:every=40'],
} as const

for (const waker of wakers)
  for (const [which, rules] of Object.entries(plans))
    for (const plan of rules)
      test.serial(`datagrams and their descriptors under ${plan} on ${waker}`, async t => {
        const args = [plan, '7']
        type Outcome = Passed<Record<string, number>> & { codes: string[] }
        const [faulty, after] = (await run<Outcome>(t, waker, 'datagrams.js', args)) as [Outcome, Outcome]
        t.deepEqual([faulty.broken, faulty.left, after.broken, after.left], [[], 0, [], 0])
        t.true(faultsOf(faulty) > (which === 'failingSockets' ? 0 : 5))
        const failed = faulty.codes.find(code => code !== 'ERR_MESSAGE_DROPPED')
        if (which === 'harmless' || which === 'reporting') {
          t.is(failed, undefined)
          for (const [name, count] of complete(faulty.counts)) t.is(count, total, name)
        } else {
          t.truthy(failed)
        }
        const reports = which === 'reporting' || which === 'failingSockets'
        t.is(faulty.errors.length > 0, reports, faulty.errors.join())
        t.deepEqual(after.errors, [])
        for (const [name, count] of complete(after.counts)) t.is(count, total, name)
      })

/** Every site that making, connecting and using sockets for datagrams comes by. */
const sites = (
  'socket socketpair bind connect probe setsockopt getsockopt getsockname epoll_ctl sendmmsg recvmmsg ' +
  'open lstat flock fchmod chmod rename unlink'
).split(' ')
const kinds = [...errors, 'ECONNREFUSED', 'ENOTCONN', 'EACCES', 'ENOENT']

for (const waker of wakers)
  for (const site of sites)
    test.serial(
      `datagrams, each call of ${site} in turn on ${waker}: an error, and nothing left`,
      async t => {
        const moving = site === 'sendmmsg' || site === 'recvmmsg'
        const here = moving ? [...kinds, 'EMSGSIZE', 'ETOOMANYREFS', 'short', 'zero'] : kinds
        const cells = await run<Cell>(t, waker, 'datagram-calls.js', [site, here.join()])
        t.deepEqual(
          cells.map(cell => cell.kind),
          here,
        )
        for (const cell of cells) {
          check(t, site, cell, `${site} ${cell.kind}`)
          t.true(cell.faults < 60, `${cell.faults} calls, and not all have failed`)
        }
      },
    )

/** Little of everything at once, but for the polls of the engine, whose failures concern everything. `UDSOCK_FAULTS_SEED` gives a seed back. */
const little = [
  'epoll_wait:delay=0',
  ...[...kinds, 'EMSGSIZE', 'ETOOMANYREFS', 'ENOSPC'].map(kind => `*:${kind}:p=0.004`),
  ...['short', 'zero'].flatMap(kind => [`sendmmsg:${kind}:p=0.05`, `recvmmsg:${kind}:p=0.05`]),
]
const seed = process.env['UDSOCK_FAULTS_SEED'] ?? String(Math.floor(Math.random() * 2 ** 30))

for (const waker of wakers)
  test.serial(`datagrams, anything may fail on ${waker}`, async t => {
    t.log(`UDSOCK_FAULTS_SEED=${seed}`)
    const [cell] = await run<Cell>(t, waker, 'datagram-calls.js', ['*', little.join(), seed])
    // Files may stay where looking at them failed.
    check(t, '*', { ...cell!, files: [] }, `UDSOCK_FAULTS_SEED=${seed} UDSOCK_WAKER=${waker}`)
  })
