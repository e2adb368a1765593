// Runs workloads in pairs: a fresh server and a fresh client for each run, A B A B ..., and what that says.
import { join } from 'node:path'
import { availableCpus, runClient, Server, socketDirectory } from './processes.js'
import { workloads } from './workloads.js'

/** Seconds measured per run, without the warm-up, unless the workload says otherwise. */
const usualSeconds = 2

/** Milliseconds that a client may take, beyond what it measures. */
const slack = 20_000

let runs = 0

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values }
}

/** One run, or { error } saying why there is no result. */
async function run(id, transport, cpus, quick) {
  const { role, bytes, backlog, client = transport, seconds = usualSeconds, quick: count } = workloads[id]
  const address = join(socketDirectory(), String(++runs))
  let server
  try {
    server = await Server.start({ transport, address, role, bytes, backlog }, cpus[0])
    const amount = quick ? { count } : { seconds }
    const spec = { workload: id, transport: client, address, ...amount }
    const result = await runClient(spec, { server, cpu: cpus[1], deadline: slack + seconds * 4000 })
    await server.stop()
    return result
  } catch (error) {
    server?.kill()
    return { error: error.message }
  }
}

/** A figure of both sides over the rounds in which both have a result; a ratio above 1 is better for ours. */
function compare(figure, rounds) {
  const ours = rounds.map(([result]) => figure.read(result))
  const peer = rounds.map(([, result]) => figure.read(result))
  const ratios = ours.map((value, i) => (figure.better === 'higher' ? value / peer[i] : peer[i] / value))
  const { name, unit, better } = figure
  return { name, unit, better, ours: spread(ours), peer: spread(peer), ratio: spread(ratios) }
}

/** Why runs failed, and which attempts inside runs failed and were repeated. */
function account(results) {
  const errors = results.filter(result => result.error).map(result => result.error)
  const repeated = {}
  let operations = 0
  for (const result of results) {
    operations += result.operations ?? 0
    for (const [code, times] of Object.entries(result.failures ?? {}))
      repeated[code] = (repeated[code] ?? 0) + times
  }
  const { highWaterMark } = results.find(result => !result.error) ?? {}
  return { highWaterMark, runs: results.length, operations, errors, repeated }
}

function cpusOf(placement, cpus) {
  if (placement === 'same CPU') return [cpus[0], cpus[0]]
  if (placement === 'different CPUs') return [cpus[0], cpus.at(-1)]
  return []
}

/** The rows of a run: each workload in each of its placements. `skipped` says why a row cannot be measured here. */
export function rowsOf(only, quick) {
  const cpus = availableCpus()
  const unknown = only.filter(id => !(id in workloads))
  if (unknown.length > 0)
    throw new Error(
      `no workload is called ${unknown.join(', ')} (there are: ${Object.keys(workloads).join(', ')})`,
    )
  const ids = only.length > 0 ? only : Object.keys(workloads)
  return ids.flatMap(id => {
    const placements = quick ? ['unpinned'] : (workloads[id].placements ?? ['unpinned'])
    return placements.map(placement => {
      const needed = { unpinned: 0, 'same CPU': 1, 'different CPUs': 2 }[placement]
      const skipped = cpus.length < needed ? `needs taskset and ${needed} CPUs` : undefined
      return { id, placement, cpus: cpusOf(placement, cpus), skipped }
    })
  })
}

/** Measures one row over `rounds` rounds of `pair`, [ours, peer]. */
export async function measure(row, { pair, rounds, quick, onRun = () => {} }) {
  const { id, placement, cpus } = row
  const workload = workloads[id]
  const results = []
  for (let round = 0; round < rounds; round++) {
    const sides = []
    for (const transport of pair) {
      onRun({ round, transport })
      sides.push(await run(id, transport, cpus, quick))
    }
    results.push(sides)
  }
  const complete = results.filter(sides => sides.every(side => side.error === undefined))
  const readable = complete.length === 0 ? [] : [...workload.figures, workload.cpu]
  const figures = readable.map(figure => compare(figure, complete))
  return {
    workload: id,
    what: workload.what,
    placement,
    rounds: complete.length,
    cpu: figures.pop(),
    figures,
    maximum: maximumLatency(complete),
    ours: account(results.map(([side]) => side)),
    peer: account(results.map(([, side]) => side)),
  }
}

/** The slowest of all round trips, in microseconds. */
function maximumLatency(rounds) {
  if (!rounds[0]?.[0].latency) return undefined
  const slowest = side => Math.max(...rounds.map(sides => sides[side].latency.max))
  return { ours: slowest(0), peer: slowest(1) }
}
