import test from 'ava'
import { targetTables } from '../../benchmark/target-table.js'
import { targetSections } from '../../benchmark/targets.js'
import { workloads } from '../../benchmark/workloads.js'

interface Workload {
  placements?: string[]
  cold?: boolean
  figures: { name: string }[]
  cpu: { name: string }
}

const spread = (median: number) => ({ median, min: median, max: median })

const figure = (name: string, ratio: number, ours = 1, peer = 1) => ({
  name,
  ours: spread(ours),
  peer: spread(peer),
  ratio: spread(ratio),
})

const row = (workload: string, figures: object[], cpu: number, given = {}) => ({
  workload,
  placement: 'unpinned',
  pair: ['udsock', 'node:net'],
  figures,
  cpu: figure('CPU', cpu),
  ours: { errors: [], repeated: {} },
  ...given,
})

const run = (kind: string, rows: object[], given = {}, code?: string) => ({
  kind,
  cold: false,
  day: '2026-12-01',
  results: { environment: { code }, rows },
  ...given,
})

const linesOf = (saved: object[]): string[] => targetTables(saved).map(line => line.replace(/ +/g, ' '))

test('every target is of a workload, a placement and figures that are measured', t => {
  for (const { lines } of targetSections)
    for (const { workload, placement, wanted, cold } of lines) {
      const known = (workloads as unknown as Record<string, Workload>)[workload]!
      t.truthy(known, workload)
      t.true((known.placements ?? ['unpinned']).includes(placement), `${workload}, ${placement}`)
      if (cold.length > 0) t.true(known.cold, `${workload} has no cold form`)
      const names = [...known.figures, known.cpu].map(one => one.name)
      for (const one of [...wanted, ...cold])
        t.true(['failures', ...names].includes(one.figure), `${workload}: ${one.figure}`)
    }
})

test('a reached target is bold, and a share is what ours takes', t => {
  const lines = linesOf([run('node-26', [row('ping', [figure('p50', 5.5)], 1.6)])])
  t.true(lines.includes('| ping | p50 ≥ 5, CPU ≤ 0.5 | **5.50**, 0.63 |'))
})

test('cold results have columns of their own', t => {
  const cold = run('node-26', [row('ping', [figure('p50', 3.5)], 2)], { cold: true })
  const lines = linesOf([run('node-26', [row('ping', [figure('p50', 4)], 4)]), cold])
  t.true(lines.includes('| workload | target | Node.js 26 | target, cold | Node.js 26, cold |'))
  t.true(lines.includes('| ping | p50 ≥ 5, CPU ≤ 0.5 | 4.00, **0.25** | p50 ≥ 3 | **3.50** |'))
})

const churn = (ratio: number, day: string, code?: string) =>
  run('node-24', [row('churn', [figure('rate', ratio)], 1)], { day }, code)
const churnLine = (saved: object[]) => linesOf(saved).find(line => line.startsWith('| churn'))

test('runs of the same code show how far their medians are apart, and other runs do not', t => {
  t.is(
    churnLine([churn(1.4, '1', 'a'), churn(1.6, '2', 'a')]),
    '| churn | rate ≥ 1.5 | **1.60** (1.40 to 1.60) |',
  )
  t.is(churnLine([churn(1.4, '1', 'a'), churn(1.6, '2', 'b')]), '| churn | rate ≥ 1.5 | **1.60** |')
  t.is(churnLine([churn(1.4, '1'), churn(1.6, '2')]), '| churn | rate ≥ 1.5 | **1.60** |')
})

test('failures, values and differences are targets, too', t => {
  const rows = [
    row('storm', [figure('time', 2)], 1, { ours: { errors: [], repeated: { EAGAIN: 3 } } }),
    row('retain', [figure('retained', 1, 1.1, 1.1)], 1),
    row('start', [figure('wall', 0.9), figure('RSS', 0.9, 47.5, 43)], 1),
  ]
  const lines = linesOf([run('node-22', rows)])
  t.true(lines.includes('| storm | failures ≤ 0 connects | 3 |'))
  t.true(lines.includes('| retain | retained ≤ 1.2 B/B | **1.10** |'))
  t.true(lines.includes('| start | wall ≤ 1.15, RSS ≤ 6 MiB more | **1.11**, **4.50** |'))
})

test('a target of messages names its peer', t => {
  const given = { pair: ['udsock', 'unix-dgram'] }
  const lines = linesOf([run('messages-26', [row('datagram', [figure('rate', 6)], 1, given)])])
  t.true(lines.includes('| datagram, against unix-dgram | rate ≥ 5 | **6.00** |'))
})

test('a failed row is named, and without results there is no table', t => {
  const lines = linesOf([run('node-26', [row('large', [], 1)])])
  t.true(lines.includes('| large | throughput ≥ 1.25 | failed |'))
  t.deepEqual(targetTables([]), [])
})
