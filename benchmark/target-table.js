// The table of targets: what each asks, and what the newest results of each runtime reached.
import { markdownTable } from './markdown.js'
import { titleOfKind } from './kinds.js'
import { placeOf } from './report.js'
import { reached, targetSections } from './targets.js'

/** The columns, where there are results: Node.js 24 and 26 first. */
const warmKinds = ['node-24', 'node-26', 'node-22', 'bun', 'deno']
const coldKinds = ['node-24', 'node-26']
const nodeLines = [24, 26, 22]
/** Those of sections about other peers, by what such a section is of. */
const kindsOf = of => nodeLines.map(line => `${of}-${line}`)

const number = (value, figure) => (figure === 'failures' ? value.toLocaleString('en-US') : value.toFixed(2))

function wording({ figure, ratio, share, value, above, unit }) {
  if (ratio !== undefined) return `${figure} ≥ ${ratio}`
  if (share !== undefined) return `${figure} ≤ ${share}`
  if (value !== undefined) return `${figure} ≤ ${value} ${unit}`
  return `${figure} ≤ ${above} MiB more`
}

const wordings = wanted => wanted.map(wording).join(', ')

function rowOf({ rows }, { workload, pair, placement }) {
  const isIt = row =>
    row.workload === workload && row.placement === placement && row.pair.join() === pair.join()
  return rows.find(isIt)
}

/** The smallest and the largest value in runs of the same code, if there are several. */
function rangeOf(runs, line, wanted) {
  const { code } = runs[0].results.environment
  if (code === undefined) return ''
  const values = runs
    .filter(({ results }) => results.environment.code === code)
    .map(({ results }) => rowOf(results, line))
    .map(row => row && reached(row, wanted)?.value)
    .filter(value => value !== undefined)
  return values.length > 1
    ? ` (${number(Math.min(...values), wanted.figure)} to ${number(Math.max(...values), wanted.figure)})`
    : ''
}

/** What was reached of a line's targets, bold where that is enough. */
function cell(runs, line, wanted) {
  const row = rowOf(runs[0].results, line)
  if (row === undefined || wanted.length === 0) return ''
  if (row.figures.length === 0) return 'failed'
  const parts = wanted.map(one => {
    const got = reached(row, one)
    if (got === undefined) return '?'
    const text = number(got.value, one.figure)
    return `${got.enough ? `**${text}**` : text}${rangeOf(runs, line, one)}`
  })
  return parts.join(', ')
}

const peerTitles = { c: 'C', 'c-polling': 'C that polls', 'udsock (busyPoll 0)': 'busyPoll 0' }

function nameOf({ workload, placement, pair: [ours, peer] }) {
  const place = placeOf({ workload, placement })
  if (ours !== 'udsock') return `${place}, busyPoll 0`
  if (peer === 'node:net') return place
  return `${place}, against ${peerTitles[peer] ?? peer}`
}

/** The runs of a kind, the newest first; undefined without any. */
function runsOf(saved, kind, cold) {
  const runs = saved.filter(run => run.kind === kind && run.cold === cold)
  return runs.length > 0 ? runs.toReversed() : undefined
}

const columnsOf = (saved, kinds, cold) =>
  kinds.flatMap(kind => {
    const runs = runsOf(saved, kind, cold)
    return runs ? [{ title: `${titleOfKind(kind)}${cold ? ', cold' : ''}`, runs, cold }] : []
  })

function tableOf({ title, lines, of }, saved) {
  const warm = columnsOf(saved, of ? kindsOf(of) : warmKinds, false)
  const cold = lines.some(line => line.cold.length > 0) ? columnsOf(saved, coldKinds, true) : []
  if (warm.length + cold.length === 0) return []
  const heading = ['workload', 'target', ...warm.map(column => column.title)]
  if (cold.length > 0) heading.push('target, cold', ...cold.map(column => column.title))
  const body = lines.map(line => [
    nameOf(line),
    wordings(line.wanted),
    ...warm.map(({ runs }) => cell(runs, line, line.wanted)),
    ...(cold.length > 0 ? [wordings(line.cold), ...cold.map(({ runs }) => cell(runs, line, line.cold))] : []),
  ])
  return [`**${title}**`, '', ...markdownTable([heading, ...body], heading.length), '']
}

/** Returns the lines of the tables; none without results of Node.js 22 or newer, Bun or Deno. */
export function targetTables(saved) {
  const tables = targetSections.flatMap(section => tableOf(section, saved))
  if (tables.length === 0) return []
  return [
    '### Targets',
    '',
    'The targets are those of Node.js 24 and 26. A ratio (≥) is how many times better than node:net on the same runtime, or than the peer that the row names; a share (≤) is ' +
      "what udsock takes of node:net's CPU time, memory or time. What is reached is bold. Two numbers in parentheses are the smallest and " +
      'the largest median of runs of the same code on different days or machines. Cold is the first second of fresh processes.',
    '',
    ...tables,
  ]
}
