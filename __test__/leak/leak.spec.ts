import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Program } from '../helpers/program.js'

/** What the process held after a round. */
interface Round {
  operations: number
  descriptors: number
  threads: number
  pool: number
  closers: number
  alive: number
  rss: number
  heap: number
}

const warmUp = 3
/** Threads for work on files at most: MOST of the crate udsock's pool. */
const mostOfPool = 16
/** Threads that close descriptors: MOST_THREADS of the crate udsock-reactor's closer. */
const mostClosers = 4
const mebibyte = 2 ** 20
const file = fileURLToPath(new URL('rounds.js', import.meta.url))

for (const waker of ['uv', 'doorbell'])
  for (const scenario of ['echo', 'refused', 'listeners', 'datagrams', 'errors'])
    test.serial(`${scenario}: what a process holds does not grow (${waker})`, async t => {
      t.timeout(600_000)
      const environment = waker === 'doorbell' ? ['UDSOCK_WAKER=doorbell'] : []
      const { ended } = new Program(t, 'env', [
        ...environment,
        process.execPath,
        '--expose-gc',
        file,
        scenario,
      ])
      const { code, output, errors } = await ended
      t.is(code, 0, errors)
      const [first, ...rounds] = output
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as Round)
      const warm = rounds[warmUp - 1]!
      const measured = rounds.slice(warmUp)
      t.is(measured.length, 3)
      for (const round of rounds)
        t.is(round.alive, 0, 'sockets and listeners after the collection of garbage')
      for (const round of measured) {
        t.is(round.descriptors, warm.descriptors)
        t.true(round.threads <= first!.threads, `${round.threads} threads, ${first!.threads} before`)
        t.true(round.pool <= mostOfPool, `${round.pool} threads for work on files`)
        t.true(round.closers <= mostClosers, `${round.closers} threads that close descriptors`)
      }
      const growth = (of: 'rss' | 'heap'): number =>
        (Math.min(...measured.slice(1).map(round => round[of])) - warm[of]) / mebibyte
      t.log(
        `${measured.reduce((sum, round) => sum + round.operations, 0)} operations measured:`,
        `heap ${growth('heap').toFixed(2)} MiB, RSS ${growth('rss').toFixed(2)} MiB`,
      )
      t.true(growth('heap') < 0.5, `the heap grew by ${growth('heap')} MiB`)
      t.true(growth('rss') < 4, `RSS grew by ${growth('rss')} MiB`)
    })
