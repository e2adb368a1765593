// Runs workloads in pairs: a fresh server and a fresh client for each run, A B A B ..., and what that says.
import { join } from 'node:path'
import { availableCpus, descriptorLimit, runClient, Server, socketDirectory } from './processes.js'
import { sideOf } from './programs.js'
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

/** How much a run does: `count` operations, or as many as `seconds` allow. */
function amountOf({ quick: few, once, seconds = usualSeconds }, quick) {
  if (quick) return { count: few, seconds: 0.1 }
  return once ? { count: once(descriptorLimit()), seconds } : { seconds }
}

/** One run of a side, or { error } saying why there is no result. */
async function run(id, name, cpus, quick) {
  const { role, bytes, backlog, client, options } = workloads[id]
  const side = sideOf(name)
  const amount = amountOf(workloads[id], quick)
  const address = join(socketDirectory(), String(++runs))
  let server
  try {
    const serving = { workload: id, address, role, bytes, backlog, options: options?.listen }
    server = await Server.start({ ...side.server, ...serving }, cpus[0])
    const transport = client ?? side.client.transport
    const spec = { ...side.client, transport, workload: id, address, bytes, options: options?.connect }
    const deadline = slack + amount.seconds * 4000
    const result = await runClient({ ...spec, ...amount }, { server, cpu: cpus[1], deadline })
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
  const { name, unit, better, resolution = 0 } = figure
  const ratios = ours.map((value, i) => {
    const [mine, theirs] = [Math.max(value, resolution), Math.max(peer[i], resolution)]
    return better === 'higher' ? mine / theirs : theirs / mine
  })
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

/** The workloads called so; all of them if none is named. Throws at an unknown name. */
export function workloadsNamed(only) {
  const unknown = only.filter(id => !(id in workloads))
  if (unknown.length > 0)
    throw new Error(
      `no workload is called ${unknown.join(', ')} (there are: ${Object.keys(workloads).join(', ')})`,
    )
  return only.length > 0 ? only : Object.keys(workloads)
}

/** With one end swapped only, against the same peer. */
const mixedPairs = ([ours, peer]) => [
  [`${ours}+${peer}`, peer],
  [`${peer}+${ours}`, peer],
]

/**
 * The rows of a run: each workload in each of its placements, `mixed` also with one end swapped. `skipped` says why a
 * row cannot be measured here.
 */
export function rowsOf(only, { pair, quick, mixed }) {
  const cpus = availableCpus()
  return workloadsNamed(only).flatMap(id => {
    const placements = quick ? ['unpinned'] : (workloads[id].placements ?? ['unpinned'])
    const whole = placements.map(placement => {
      const needed = { unpinned: 0, 'same CPU': 1, 'different CPUs': 2 }[placement]
      const skipped = cpus.length < needed ? `needs taskset and ${needed} CPUs` : undefined
      return { id, pair, placement, cpus: cpusOf(placement, cpus), skipped }
    })
    const swapped = mixed && workloads[id].mixed ? mixedPairs(pair) : []
    return whole.concat(swapped.map(sides => ({ id, pair: sides, placement: 'unpinned', cpus: [] })))
  })
}

/** What a row is about; how many operations it makes belongs to it where there is one step only. */
function described({ what, once }, results) {
  const operations = once && results.flat().find(side => side.operations)?.operations
  return operations ? `${operations.toLocaleString('en-US')} ${what}` : what
}

/** Measures one row over `rounds` rounds of its pair, [ours, peer]. */
export async function measure(row, { rounds, quick, onRun = () => {} }) {
  const { id, pair, placement, cpus, form } = row
  const workload = workloads[id]
  const results = []
  for (let round = 0; round < rounds; round++) {
    const sides = []
    for (const side of pair) {
      onRun({ round, side })
      sides.push(await run(id, side, cpus, quick))
    }
    results.push(sides)
  }
  const complete = results.filter(sides => sides.every(side => side.error === undefined))
  const readable = complete.length === 0 ? [] : [...workload.figures, workload.cpu]
  const figures = readable.map(figure => compare(figure, complete))
  return {
    workload: id,
    what: described(workload, results),
    pair,
    form,
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
