import test from 'ava'
import { chart, ticksOf, times } from '../../benchmark/chart.js'
import { sideOf } from '../../benchmark/programs.js'
import { chartsOf, section, titleOf, withSection } from '../../benchmark/publish.js'

const begin = '<!-- benchmark: made by `npm run bench:report` -->'
const end = '<!-- /benchmark -->'

const spread = (median: number, min = median, max = median) => ({
  median,
  min,
  max,
  values: [min, median, max],
})

const figure = (name: string, unit: string, better: string, [ours, peer, ratio]: number[], around = 0) => ({
  name,
  unit,
  better,
  ours: spread(ours!),
  peer: spread(peer!),
  ratio: spread(ratio!, ratio! - around, ratio! + around),
})

const account = (repeated = {}) => ({
  highWaterMark: 65_536,
  runs: 3,
  operations: 6000,
  errors: [],
  repeated,
})

const row = (workload: string, given = {}) => ({
  workload,
  what: `what ${workload} does`,
  pair: ['udsock', 'node:net'],
  placement: 'unpinned',
  rounds: 3,
  cpu: figure('CPU', 'µs/op', 'lower', [2, 8, 4], 0.5),
  figures: [figure('rate', 'msg/s', 'higher', [500_000, 100_000, 5], 1)],
  ours: account(),
  peer: account(),
  ...given,
})

const runtime = { name: 'Node.js', version: '20.20.2' }

const results = (rows: object[], given = {}) => ({
  environment: { runtime, kernel: 'Linux 6.1', cpu: 'A <CPU>', cpus: 2, commit: '0123456789ab' },
  rounds: 3,
  rows,
  skipped: [],
  ...given,
})

const saved = (kind: string, rows: object[], given = {}) => ({
  kind,
  cold: false,
  day: '2026-12-01',
  machine: '0a1b2c',
  results: results(rows),
  ...given,
})

const entry = (label: string, ratio: number) => ({ label, ratio: spread(ratio) })

/** What stands between the tags of a chart's texts. */
const texts = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(match => match[1]!)

test('the section stands between the markers, and what is around them stays', t => {
  const page = `before\n\n${begin}\nold\n${end}\nafter\n`
  const once = withSection(page, 'figures')
  t.is(
    once,
    `before\n\n${begin}\n\n<!-- prettier-ignore-start -->\n\nfigures\n\n<!-- prettier-ignore-end -->\n\n${end}\nafter\n`,
  )
  t.is(withSection(once, 'figures'), once)
  t.is(withSection(once, ''), `before\n\n${begin}\n${end}\nafter\n`)
})

test('a page without both markers, in order and once, is refused', t => {
  for (const page of ['', begin, end, `${end}${begin}`, `${begin}${begin}${end}`, `${begin}${end}${end}`]) {
    t.throws(() => withSection(page, 'figures'), { message: /the page must have one/ }, page)
  }
})

test('without results there is no section', t => {
  t.is(section([], 'results'), '')
})

test('a section names the source of its figures, and shows each with its spread', t => {
  const text = section(
    [saved('node-20', [row('pipeline'), row('ping', { placement: 'same CPU' })])],
    'some/results',
  )
  t.true(
    text.includes(
      'Node.js 20.20.2, Linux 6.1, 2 × A <CPU>, commit 0123456789ab; medians of 3 rounds; 2026-12-01.',
    ),
  )
  t.true(text.includes('(some/results/node-20.svg)'))
  t.true(text.includes('(some/results/node-20-cpu.svg)'))
  const lines = text.split('\n').map(line => line.replace(/ +/g, ' '))
  t.true(
    lines.includes(
      '| pipeline | what pipeline does | rate, msg/s | 500,000 | 100,000 | **5.00×** (4.00× to 6.00×) | **4.00×** (3.50× to 4.50×) |',
    ),
  )
  t.true(lines.some(line => line.startsWith('| ping, same CPU |')))
})

test('further figures of a workload have lines of their own, without the CPU time again', t => {
  const figures = [figure('p50', 'µs', 'lower', [10, 12, 1.2]), figure('p99', 'µs', 'lower', [40, 20, 0.5])]
  const text = section([saved('node-20', [row('ping', { figures })])], 'results')
  const lines = text.split('\n').map(line => line.replace(/ +/g, ' '))
  t.true(lines.includes('| | | p99, µs | 40.0 | 20.0 | **0.50×** (0.50× to 0.50×) | |'))
})

test('failed runs, failed connects and peers that are not there are named', t => {
  const rows = [
    row('large', { figures: [], cpu: undefined }),
    row('storm', { peer: account({ EAGAIN: 4370 }) }),
  ]
  const skipped = [{ id: 'Bun', placement: 'unpinned', skipped: 'it does not run' }]
  const run = saved('node-20', rows, { results: results(rows, { skipped }) })
  const text = section([run], 'results')
  t.regex(text, /\| large +\| what large does +\| failed/)
  t.true(
    text.includes('- storm: node:net failed 4,370 connects with EAGAIN and repeated them (6,000 succeeded)'),
  )
  t.true(text.includes('- not measured: Bun, because it does not run'))
  // A row without figures has no bar.
  t.false(texts(chartsOf(run)['node-20.svg']!).includes('large'))
})

test('rows of different pairs stand in tables of their own', t => {
  const peers = [
    row('ping', { pair: ['udsock', 'c'], form: 'blocking read and write' }),
    row('ping', { pair: ['udsock@bun', 'node:net@bun'] }),
    row('churn', { pair: ['udsock', 'c'] }),
  ]
  const text = section([saved('peers-20', peers)], 'results')
  t.deepEqual(
    [...text.matchAll(/^\*\*(.*)\*\*$/gm)].map(match => match[1]),
    ['udsock against C', 'udsock on Bun against node:net on Bun'],
  )
  t.true(text.includes('what ping does; blocking read and write'))
})

test('of several runs the newest is shown, with the medians of the others beside it', t => {
  const figures = [figure('rate', 'msg/s', 'higher', [3, 1, 3])]
  const earlier = saved('node-26', [row('pipeline', { figures })], { day: '2026-11-30' })
  const text = section([earlier, saved('node-26', [row('pipeline'), row('churn')])], 'results')
  const lines = text.split('\n').map(line => line.replace(/ +/g, ' '))
  t.is(lines.filter(line => line.startsWith('### node:net on')).length, 1)
  t.true(lines.some(line => line.startsWith('| pipeline | what') && line.endsWith('| 3.00× |')))
  t.true(lines.some(line => line.startsWith('| churn | what') && line.endsWith('| – |')))
  t.true(text.includes('- 2026-11-30: Node.js 20.20.2, Linux 6.1'))
})

test('the first second has a section and charts of its own', t => {
  const cold = saved('node-26', [row('pipeline')], { cold: true })
  t.true(section([cold], 'results').includes('### node:net on Node.js 26, the first second'))
  t.deepEqual(Object.keys(chartsOf(cold)), ['node-26-cold.svg', 'node-26-cold-cpu.svg'])
})

test("a side's title names the program at each end", t => {
  t.is(titleOf('udsock'), 'udsock')
  t.is(titleOf('node:net@deno'), 'node:net on Deno')
  t.is(titleOf('udsock+node:net'), 'udsock client with node:net server')
  t.is(titleOf('udsock (busyPoll 0)'), 'udsock (busyPoll 0)')
})

test("a side's name is taken apart, and an unknown one is refused", t => {
  t.deepEqual(sideOf('udsock@bun+node:net'), {
    client: { transport: 'udsock', runtime: 'bun' },
    server: { transport: 'node:net', runtime: undefined },
  })
  t.deepEqual(sideOf('udsock (busyPoll 0)').client, {
    transport: 'udsock',
    runtime: undefined,
    sleeping: true,
  })
  for (const name of ['', 'net', 'udsock@node', 'c@bun', 'udsock+', 'c+c+c'])
    t.throws(() => sideOf(name), { instanceOf: Error }, name)
})

test('bars come sorted, the best first, in their groups', t => {
  const svg = chart({
    title: 'a & b',
    subtitle: 'from <here>',
    groups: [
      { name: 'one', entries: [entry('slow', 0.5), entry('fast', 3)] },
      { name: 'two', entries: [entry('even', 1)] },
    ],
  })
  const shown = texts(svg).filter(text => !/^[\d./]+×$/.test(text))
  t.deepEqual(shown, ['a &amp; b', 'from &lt;here&gt;', 'one', 'fast', 'slow', 'two', 'even'])
  t.is(svg.match(/class="better"/g)!.length, 2)
  t.is(svg.match(/class="worse"/g)!.length, 1)
  t.regex(svg, /prefers-color-scheme: dark/)
})

test('a bar runs from 1 to its ratio and a whisker from the smallest round to the largest', t => {
  const svg = chart({
    title: '',
    subtitle: '',
    groups: [{ name: '', entries: [{ label: 'x', ratio: spread(2, 1, 4) }] }],
  })
  const even = Number(/class="even" d="M([\d.]+)/.exec(svg)![1])
  const [, from, length] = /class="better" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/.exec(svg)!.map(Number)
  const [, start, stop] = /class="spread" d="M([\d.]+) [\d.]+H([\d.]+)/.exec(svg)!.map(Number)
  t.is(from, even)
  t.is(start, even)
  // On a logarithmic scale 4 is twice as far from 1 as 2 is.
  t.true(Math.abs(stop! - even - 2 * length!) < 1)
})

test('the scale is made of powers of two around 1', t => {
  t.deepEqual(ticksOf([1, 1]), [0.5, 1, 2])
  t.deepEqual(ticksOf([0.3, 5]), [0.25, 0.5, 1, 2, 4, 8])
})

test('a ratio has the digits that it deserves', t => {
  t.deepEqual([0.0123, 0.85, 1, 5.4321, 12.34, 321.4].map(times), [
    '0.012×',
    '0.85×',
    '1.00×',
    '5.43×',
    '12.3×',
    '321×',
  ])
})
