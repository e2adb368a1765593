// What a run of pairs says, as text and as JSON.
import { execFileSync } from 'node:child_process'
import { cpus, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { formatted, table } from './terminal.js'
import { workloads } from './workloads.js'

const root = fileURLToPath(new URL('..', import.meta.url))

function git(...args) {
  return execFileSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
}

/** What is measured is the code: figures, and the page that shows them, do not make it another one. */
function commit() {
  try {
    const changes = git('status', '--porcelain', '--', '.', ':!benchmark/results', ':!README.md')
    return git('rev-parse', '--short=12', 'HEAD') + (changes === '' ? '' : ' with changes')
  } catch {
    return 'unknown'
  }
}

/** Where, without which no figure means anything; `peers` are the versions of other programs that took part. */
export function environment(peers) {
  return {
    node: process.version,
    kernel: `${type()} ${release()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    commit: commit(),
    peers,
  }
}

export const timesX = value => value.toFixed(2)
const interval = ({ min, max }) => `${timesX(min)}..${timesX(max)}`

/** A row's name. */
export const placeOf = ({ workload, placement }) =>
  placement === 'unpinned' ? workload : `${workload}, ${placement}`

function linesOf(row) {
  if (row.figures.length === 0) return [[row.workload, row.placement, 'FAILED', ...Array(6).fill('')]]
  return [...row.figures, row.cpu].map(({ name, unit, ours, peer, ratio }, i) => [
    i === 0 ? row.workload : '',
    i === 0 ? row.placement : '',
    `${name} ${unit}`,
    formatted(ours.median),
    formatted(peer.median),
    timesX(ratio.median),
    interval(ratio),
    `${formatted(ours.min)}..${formatted(ours.max)}`,
    `${formatted(peer.min)}..${formatted(peer.max)}`,
  ])
}

/** The connects inside of one side's runs that failed. */
export function connectFailures(row, side, { operations, repeated }) {
  return Object.entries(repeated).map(
    ([code, times]) =>
      `${placeOf(row)}: ${side} failed ${times.toLocaleString('en-US')} connects with ${code} and repeated them ` +
      `(${operations.toLocaleString('en-US')} succeeded)`,
  )
}

/** Everything that went wrong on one side of a row. */
function notesOf(row, side, account) {
  const { runs, errors } = account
  const attempts = connectFailures(row, side, account)
  if (errors.length === 0) return attempts
  return [
    `${placeOf(row)}: ${side} failed ${errors.length} of ${runs} runs: ${[...new Set(errors)].join('; ')}`,
    ...attempts,
  ]
}

function remarksOf(row) {
  const [ours, peer] = row.pair
  const remarks = [...notesOf(row, ours, row.ours), ...notesOf(row, peer, row.peer)]
  if (workloads[row.workload].once || row.form)
    remarks.push(`${placeOf(row)}: ${[row.what, row.form].filter(Boolean).join('; ')}`)
  if (row.maximum) {
    const slowest = `${ours} ${formatted(row.maximum.ours)} µs, ${peer} ${formatted(row.maximum.peer)} µs`
    remarks.push(`${placeOf(row)}: slowest round trip ${slowest}`)
  }
  return remarks
}

/** What there was no row for, and why. */
export const missed = ({ skipped }) =>
  skipped.map(
    ({ id, placement, skipped: why }) =>
      `not measured: ${placeOf({ workload: id, placement })}, because ${why}`,
  )

export const notes = ({ rows }) => rows.flatMap(remarksOf)

/** Rows of the same pair belong together; pairs come in the order in which they were measured. */
export function byPair(rows) {
  const groups = new Map()
  for (const row of rows) {
    const name = row.pair.join(' against ')
    groups.set(name, [...(groups.get(name) ?? []), row])
  }
  return [...groups.values()]
}

function sectionOf(rows) {
  const [ours, peer] = rows[0].pair
  // Of rows whose client is of the transport that is compared.
  const own = rows.filter(row => workloads[row.workload].client === undefined)
  const marks = side => [...new Set(own.map(row => row[side].highWaterMark).filter(Boolean))].join(' or ')
  const heading = ['workload', 'placement', 'figure', ours, peer, 'ratio', 'min..max']
  return [
    `${ours} against ${peer}; high-water marks, the default of each: ${marks('ours') || 'none'} and ${marks('peer') || 'none'} bytes`,
    '',
    ...table([[...heading, `${ours} min..max`, `${peer} min..max`], ...rows.flatMap(linesOf)], 3),
    '',
    ...rows.flatMap(remarksOf),
    '',
  ]
}

/** One line that says where a figure is from. */
export function origin({ environment: where, rounds }) {
  const others = Object.entries(where.peers ?? {}).map(([name, version]) => `, ${name} ${version}`)
  const place = `Node.js ${where.node.slice(1)}${others.join('')}, ${where.kernel}, ${where.cpus} × ${where.cpu}`
  return `${place}, commit ${where.commit}; medians of ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`
}

/** The lines of the report. */
export function report(results) {
  return [
    `${origin(results)}, A B A B; every ratio is better for the first above 1`,
    'CPU: both processes, user and system',
    '',
    ...byPair(results.rows).flatMap(sectionOf),
    ...missed(results),
  ]
}
