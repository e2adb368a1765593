// What a run of pairs says, as a table and as JSON.
import { execFileSync } from 'node:child_process'
import { cpus, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'
import { formatted, table } from './terminal.js'
import { workloads } from './workloads.js'

const here = fileURLToPath(new URL('.', import.meta.url))

function git(...args) {
  return execFileSync('git', args, {
    cwd: here,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
}

function commit() {
  try {
    return (
      git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes')
    )
  } catch {
    return 'unknown'
  }
}

/** Where and when, without which no figure means anything. */
export function environment() {
  return {
    node: process.version,
    kernel: `${type()} ${release()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    commit: commit(),
    date: new Date().toISOString(),
  }
}

const timesX = value => value.toFixed(2)
const interval = ({ min, max }) => `${timesX(min)}..${timesX(max)}`

function linesOf(row) {
  if (row.figures.length === 0) return [[row.workload, row.placement, 'FAILED', ...Array(7).fill('')]]
  return row.figures.map(({ name, unit, ours, peer, ratio }, i) => {
    const { cpu } = row
    const processors = [
      `${formatted(cpu.ours.median)} ${cpu.unit}`,
      formatted(cpu.peer.median),
      timesX(cpu.ratio.median),
    ]
    return [
      ...(i === 0 ? [row.workload, row.placement] : ['', '']),
      `${name} ${unit}`,
      formatted(ours.median),
      formatted(peer.median),
      timesX(ratio.median),
      interval(ratio),
      ...(i === 0 ? processors : ['', '', '']),
    ]
  })
}

/** Everything that went wrong on one side of a row. */
function notesOf(row, transport, { runs, operations, errors, repeated }) {
  const place = row.placement === 'unpinned' ? row.workload : `${row.workload}, ${row.placement}`
  const attempts = Object.entries(repeated).map(
    ([code, times]) =>
      `${place}: ${transport} failed ${times.toLocaleString('en-US')} connects with ${code} and repeated them ` +
      `(${operations.toLocaleString('en-US')} succeeded)`,
  )
  if (errors.length === 0) return attempts
  return [
    `${place}: ${transport} failed ${errors.length} of ${runs} runs: ${[...new Set(errors)].join('; ')}`,
    ...attempts,
  ]
}

export function notes({ rows, skipped }, [ours, peer]) {
  return [
    ...rows.flatMap(row => [...notesOf(row, ours, row.ours), ...notesOf(row, peer, row.peer)]),
    ...rows
      .filter(row => row.maximum)
      .map(({ workload, placement, maximum }) => {
        const slowest = `${ours} ${formatted(maximum.ours)} µs, ${peer} ${formatted(maximum.peer)} µs`
        return `${workload}, ${placement}: slowest round trip ${slowest}`
      }),
    ...skipped.map(({ id, placement, skipped: why }) => `${id}, ${placement}: not measured, ${why}`),
  ]
}

/** The lines of the report. */
export function report(results, pair) {
  const { environment: where, rounds, rows } = results
  const [ours, peer] = pair
  // Of rows whose client is of the transport that is compared.
  const own = rows.filter(row => workloads[row.workload].client === undefined)
  const marks = side => [...new Set(own.map(row => row[side].highWaterMark).filter(Boolean))].join(' or ')
  const heading = [
    'workload',
    'placement',
    'figure',
    ours,
    peer,
    'ratio',
    'min..max',
    `CPU ${ours}`,
    peer,
    'ratio',
  ]
  return [
    `${ours} against ${peer}: medians of ${rounds} rounds, A B A B; every ratio is better for ${ours} above 1`,
    `Node ${where.node.slice(1)}, ${where.kernel}, ${where.cpus} x ${where.cpu}, commit ${where.commit}`,
    `CPU: both processes, user and system. High-water marks, the default of each: ${marks('ours')} and ${marks('peer')} bytes`,
    '',
    ...table([heading, ...rows.flatMap(linesOf)], 3),
    '',
    ...notes(results, pair),
  ]
}
