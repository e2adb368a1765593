import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { messagePeers } from '../../benchmark/message-peers.js'
import { workloadsNamed, rowsOf } from '../../benchmark/pairs.js'
import { peerRows } from '../../benchmark/peers.js'
import { save, savedIn } from '../../benchmark/results.js'
import { portable } from '../../benchmark/runtimes.js'

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'results-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

const row = (workload: string, ratio = 1) => ({ workload, placement: 'unpinned', pair: ['a', 'b'], ratio })

const results = (rows: object[], given = {}) => ({
  environment: {
    runtime: { name: 'Node.js', version: '26.1.0' },
    kernel: 'Linux 6.1',
    cpu: 'A CPU',
    cpus: 2,
    code: 'abc',
    ...given,
  },
  rounds: 7,
  rows,
  skipped: [],
})

const whole = { peers: false, messages: false, cold: false, partial: false, day: '2026-12-01' }

test('a run is saved under its runtime, day and machine, and read back', t => {
  const path = directory(t)
  const file = save(path, results([row('ping', 1.23456789)]), whole)
  t.regex(basename(file), /^node-26\.2026-12-01\.[0-9a-f]{6}\.json$/)
  const [saved, ...others] = savedIn(path)
  t.is(others.length, 0)
  t.like(saved, { kind: 'node-26', cold: false, day: '2026-12-01' })
  t.deepEqual(saved!.results.rows, [row('ping', 1.23457)])
})

test('other days, machines, runtimes and forms have files of their own, in order', t => {
  const path = directory(t)
  const runtime = { name: 'Bun', version: '1.4.5' }
  const node24 = { name: 'Node.js', version: '24.1.0' }
  save(path, results([]), { ...whole, messages: true })
  save(path, results([]), { ...whole, peers: true })
  save(path, results([], { runtime }), whole)
  save(path, results([], { runtime: node24 }), whole)
  save(path, results([]), { ...whole, cold: true })
  save(path, results([]), whole)
  save(path, results([]), { ...whole, day: '2026-11-30' })
  t.deepEqual(
    savedIn(path).map(({ kind, cold, day }) => [kind, cold, day]),
    [
      ['node-26', false, '2026-11-30'],
      ['node-26', false, '2026-12-01'],
      ['node-26', true, '2026-12-01'],
      ['node-24', false, '2026-12-01'],
      ['bun', false, '2026-12-01'],
      ['peers-26', false, '2026-12-01'],
      ['messages-26', false, '2026-12-01'],
    ],
  )
  save(path, results([], { cpu: 'Another CPU' }), whole)
  t.is(savedIn(path).length, 8)
})

test('some rows replace those of the same day, and only of the same code', t => {
  const path = directory(t)
  const partial = { ...whole, partial: true }
  save(path, results([row('ping'), row('churn')]), whole)
  const file = save(path, results([row('ping', 2), row('large')]), partial)
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')).rows, [row('ping', 2), row('churn'), row('large')])
  const peers = { ...partial, peers: true }
  save(path, results([], { peers: { cc: '12' } }), peers)
  save(path, results([], { peers: { Bun: '1' } }), peers)
  t.deepEqual(savedIn(path)[1]!.results.environment.peers, { cc: '12', Bun: '1' })
  t.throws(() => save(path, results([row('ping')], { code: 'def' }), partial), { message: /of other code/ })
})

test('a name stands for its rows', t => {
  t.deepEqual(workloadsNamed(['lines', 'churn']), ['lines', 'lines-32', 'churn'])
  t.deepEqual(workloadsNamed(['crowd', 'crowd-2']), ['crowd-2', 'crowd-4', 'crowd-8'])
  t.deepEqual(workloadsNamed(['pipeline']), ['pipeline'])
  t.deepEqual(workloadsNamed(['ping']), ['ping', 'ping-32'])
  t.throws(() => workloadsNamed(['nothing']), { message: /no workload is called nothing/ })
})

test('messages are compared with their own peers alone', t => {
  const pair = ['udsock', 'node:net']
  t.deepEqual(rowsOf(['datagram', 'seqpacket'], { pair }), [])
  const rows = peerRows(messagePeers, ['unix-dgram', 'c'], ['datagram'], { c: 'no compiler' })
  t.deepEqual(
    rows.map(({ sides, skipped }: { sides?: string[]; skipped?: string }) => sides ?? skipped),
    [['udsock', 'unix-dgram'], ['udsock/dgram', 'unix-dgram'], 'no compiler'],
  )
})

test('a side that does not poll runs in turn with the others', t => {
  const pair = ['udsock', 'node:net']
  const [lines] = rowsOf(['lines'], { pair })
  t.deepEqual(lines!.sides, ['udsock', 'udsock (busyPoll 0)', 'node:net'])
  t.deepEqual(lines!.pairs, [
    [0, 2],
    [1, 2],
  ])
  const [slow] = rowsOf(['slow-1ms'], { pair })
  t.deepEqual(slow!.pairs, [
    [0, 1],
    [0, 2],
  ])
  t.deepEqual(rowsOf(['lines'], { pair, quick: true })[0]!.sides, pair)
})

const plan = () => rowsOf(['idle', 'churn'], { pair: ['udsock', 'node:net'] })
const isSkipped = ({ skipped }: { skipped?: string }) => skipped !== undefined

test('what a runtime does not run is skipped, with the reason', t => {
  t.deepEqual(portable(plan(), { name: 'Bun' }).map(isSkipped), [true, false])
  t.false(portable(plan(), { name: 'Node.js' }).some(isSkipped))
})
