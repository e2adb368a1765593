// The report of a run of pairs, as text and as JSON.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpus, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { formatted, table } from './format.js'
import { workloads } from './workloads.js'

const root = fileURLToPath(new URL('..', import.meta.url))

function git(...args) {
  return execFileSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
}

/** Changes to figures, and to the page that shows them, do not make another version of the measured code. */
function commit() {
  try {
    const changes = git('status', '--porcelain', '--', '.', ':!benchmark/results', ':!docs/performance.md')
    return git('rev-parse', '--short=12', 'HEAD') + (changes === '' ? '' : ' with changes')
  } catch {
    return 'unknown'
  }
}

/** What the measured code is, whatever else a commit changes; undefined outside of a checkout. */
function codeOf() {
  try {
    const trees = git('rev-parse', 'HEAD:src', 'HEAD:crates', 'HEAD:Cargo.lock')
    const changes = git('status', '--porcelain', '--', 'src', 'crates', 'Cargo.lock')
    return changes === '' ? createHash('sha256').update(trees).digest('hex').slice(0, 12) : undefined
  } catch {
    return undefined
  }
}

/** Describes the machine, without which no figure means anything; `runtime` is what ran the ends, `peers` are the versions of other programs that took part. */
export function environment(runtime, peers) {
  return {
    runtime,
    kernel: `${type()} ${release()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    commit: commit(),
    code: codeOf(),
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

/** Lists the rows that were not measured, with the reasons. */
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

/** One line that names the source of a figure. */
export function origin({ environment: where, rounds }) {
  const others = Object.entries(where.peers ?? {}).map(([name, version]) => `, ${name} ${version}`)
  const { name, version } = where.runtime
  const place = `${name} ${version}${others.join('')}, ${where.kernel}, ${where.cpus} × ${where.cpu}`
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
