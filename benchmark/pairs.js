// Compares sides of a workload: which run in turn, A B A B ..., and their figures.
import { availableCpus } from './processes.js'
import { hasLibrary } from './libraries.js'
import { messageWorkloads } from './message-workloads.js'
import { sleepingMark } from './programs.js'
import { run } from './run.js'
import { workloads } from './workloads.js'

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), values }
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

/** What each placement needs, and where it puts [server, client] of the CPUs that there are. */
const placements = {
  unpinned: { needed: 0, cpusOf: () => [] },
  'same CPU': { needed: 1, cpusOf: ([first]) => [first, first] },
  'different CPUs': { needed: 2, cpusOf: cpus => [cpus[0], cpus.at(-1)] },
  'two CPUs': { needed: 2, cpusOf: ([first, second]) => [`${first},${second}`, `${first},${second}`] },
}

const ids = Object.keys(workloads)

/** Rows of one kind: `lines` stands for `lines-32`, too, and `crowd` for all of its numbers. */
function idsOf(name) {
  if (name in workloads) return [name, `${name}-32`].filter(id => id in workloads)
  const found = ids.filter(id => id.startsWith(`${name}-`))
  if (found.length === 0) throw new Error(`no workload is called ${name} (there are: ${ids.join(', ')})`)
  return found
}

/** Returns the workloads of these names, or all of them without names. Throws at an unknown name. */
export const workloadsNamed = names => (names.length > 0 ? [...new Set(names.flatMap(idsOf))] : ids)

/** Whether node:net has nothing to compare a workload with. */
const isOfMessages = id => id in messageWorkloads

/** The sides that are measured in turn, and which pairs of them are rows. The last side is the peer of most. */
function sidesOf({ sleeping, mixed }, placement, chosen) {
  const [ours, peer] = chosen.pair
  const first = placement === 'unpinned' || placement === 'two CPUs'
  const asleep = first && !chosen.quick && ours === 'udsock' && sleeping
  const others = [
    ...(asleep ? [`${ours}${sleepingMark}`] : []),
    ...(first && mixed && chosen.mixed ? [`${ours}+${peer}`, `${peer}+${ours}`] : []),
  ]
  const sides = [ours, ...others, peer]
  const pairs = sides.slice(0, -1).map((_, i) => [i, sides.length - 1])
  return { sides, pairs: asleep === 'peer' ? [[0, 1], ...pairs.filter(([i]) => i !== 1)] : pairs }
}

/** The placements of a workload that a run measures. */
function placementsOf({ placements: all = ['unpinned'] }, { quick, cold }) {
  if (quick) return ['unpinned']
  return cold ? all.filter(placement => placement !== 'different CPUs') : all
}

/** Why a workload cannot be measured here, if so. */
function obstacle({ library }, placement, cpus) {
  const { needed } = placements[placement]
  if (cpus.length < needed) return `it needs taskset and ${needed} CPUs`
  if (library && !hasLibrary(library)) return `${library} is not installed`
  return undefined
}

/**
 * What to measure: each workload in each of its placements, the sides in turn. `mixed` adds sides with one end swapped; `cold` is
 * the first second of fresh processes. `skipped` has the reason if something cannot be measured here.
 */
export function rowsOf(only, chosen) {
  const { quick, cold } = chosen
  const cpus = availableCpus()
  const planOf = (id, placement) => ({
    id,
    ...sidesOf(workloads[id], placement, chosen),
    placement,
    cold,
    cpus: placements[placement].cpusOf(cpus),
    skipped: obstacle(workloads[id], placement, cpus),
  })
  return workloadsNamed(only)
    .filter(id => !isOfMessages(id))
    .filter(id => (!cold || workloads[id].cold) && (!quick || workloads[id].quick > 0))
    .flatMap(id => placementsOf(workloads[id], chosen).map(placement => planOf(id, placement)))
}

/** A row's description, with the number of operations where there is only one step. */
function described({ what, once }, results) {
  const operations = once && results.flat().find(side => side.operations)?.operations
  return operations ? `${operations.toLocaleString('en-US')} ${what}` : what
}

/** The row of a pair of sides, of the results of both in each round. */
function rowOf({ id, sides, placement, form }, [ours, peer], results) {
  const workload = workloads[id]
  const complete = results.filter(pair => pair.every(side => side.error === undefined))
  const readable = complete.length === 0 ? [] : [...workload.figures, workload.cpu]
  const figures = readable.map(figure => compare(figure, complete))
  return {
    workload: id,
    what: described(workload, results),
    pair: [sides[ours], sides[peer]],
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

/** Measures the sides of one plan over `rounds` rounds, and returns a row for each of its pairs. */
export async function measure(plan, { rounds, quick, onRun = () => {} }) {
  const { id, sides, pairs, cpus, cold } = plan
  const results = []
  for (let round = 0; round < rounds; round++) {
    const ran = []
    for (const side of sides) {
      onRun({ round, side })
      ran.push(await run(id, side, { cpus, quick, cold }))
    }
    results.push(ran)
  }
  return pairs.map(pair => {
    const both = results.map(ran => pair.map(side => ran[side]))
    return rowOf(plan, pair, both)
  })
}

/** The slowest of all round trips, in microseconds. */
function maximumLatency(rounds) {
  if (!rounds[0]?.[0].latency) return undefined
  const slowest = side => Math.max(...rounds.map(sides => sides[side].latency.max))
  return { ours: slowest(0), peer: slowest(1) }
}
