// One run of one side of a workload: fresh servers and fresh clients.
import { join } from 'node:path'
import { descriptorLimit, runClient, Server, socketDirectory } from './processes.js'
import { isForeign, sideOf } from './programs.js'
import { workloads } from './workloads.js'

/** Seconds measured per run, without the warm-up, unless the workload has its own; and of a cold one. */
const usualSeconds = 0.5
const coldSeconds = 1

/** Milliseconds that a client may take, beyond what it measures. */
const slack = 20_000

/** Pairs of processes that a quick run makes do with. */
const quickCrowd = 2

let runs = 0

/** How much a run does: `count` operations, or as many as `seconds` allow. */
function amountOf({ quick: few, once, seconds = usualSeconds }, { quick, cold }) {
  if (quick) return { count: few, seconds: 0.1 }
  if (cold) return { seconds: coldSeconds, cold }
  return once ? { count: once(descriptorLimit()), seconds } : { seconds }
}

const sum = values => values.reduce((total, value) => total + value, 0)

/** Several servers as one, whose CPU time is that of all and whose memory is the first one's. */
function together(servers) {
  return {
    usage: async () => sum(await Promise.all(servers.map(server => server.usage()))),
    ask: order => servers[0].ask(order),
    async failure() {
      const failures = await Promise.all(servers.map(server => server.failure()))
      return failures.filter(Boolean).join('; ')
    },
  }
}

/** Starts servers, each { spec, cpu }, one after the other, into `started`. */
async function startServers(wanted, started) {
  for (const { spec, cpu } of wanted) started.push(await Server.start(spec, cpu))
}

/** The servers of a side, the one that the client connects to last: a workload may want one in between. */
function serversOf(id, end, cpu) {
  const { role, carries, bytes, backlog, options, think, proxied } = workloads[id]
  const address = join(socketDirectory(), String(++runs))
  const spec = { ...end, workload: id, bytes, backlog, options: options?.listen, address }
  const last = { spec: { ...spec, role, carries, think }, cpu }
  if (!proxied) return [last]
  const front = join(socketDirectory(), String(++runs))
  return [last, { spec: { ...spec, address: front, role: 'proxy', target: address }, cpu }]
}

/** Returns a function whose promise resolves once `parties` callers wait for it, and one that lets all pass. */
function barrier(parties) {
  let open
  const opened = new Promise(resolve => void (open = resolve))
  const arrive = () => {
    if (--parties === 0) open()
    return opened
  }
  return { arrive, open }
}

const middle = values => values.toSorted((a, b) => a - b)[values.length >> 1]

/** The results of clients that ran at the same time, as one: sums, and the median of latencies. */
function merged(results) {
  const [first] = results
  if (results.length === 1) return first
  const total = name => sum(results.map(result => result[name]))
  const latency = (name, pick) => pick(results.map(result => result.latency[name]))
  return {
    ...first,
    operations: total('operations'),
    bytes: total('bytes'),
    cpu: total('cpu'),
    clientCpu: total('clientCpu'),
    serverCpu: total('serverCpu'),
    seconds: Math.max(...results.map(result => result.seconds)),
    latency: first.latency && {
      samples: latency('samples', sum),
      p50: latency('p50', middle),
      p99: latency('p99', middle),
      max: latency('max', values => Math.max(...values)),
    },
  }
}

/** One pair of a client and its servers. `gate` is where clients wait for each other. */
async function runPair(id, side, { cpus, gate, ...chosen }) {
  const { bytes, client, options } = workloads[id]
  const amount = amountOf(workloads[id], chosen)
  const wanted = serversOf(id, side.server, cpus[0])
  const { address } = wanted.at(-1).spec
  const servers = []
  try {
    const ready = startServers(wanted, servers)
    const transport = client ?? side.client.transport
    if (isForeign(transport)) await ready
    const spec = { ...side.client, transport, workload: id, address, bytes, options: options?.connect }
    const deadline = slack + amount.seconds * 4000
    const ends = { server: together(servers), ready, cpu: cpus[1], deadline, begin: gate.arrive }
    const [result] = await Promise.all([runClient({ ...spec, ...amount }, ends), ready])
    for (const server of servers.toReversed()) await server.stop()
    return result
  } catch (error) {
    gate.open()
    for (const server of servers) server.kill()
    throw error
  }
}

/** One run of a side, on `cpus`, [server's, client's]; { error } has the reason if there is no result. */
export async function run(id, name, chosen) {
  const { crowded = 1 } = workloads[id]
  const pairs = chosen.quick ? Math.min(crowded, quickCrowd) : crowded
  const gate = barrier(pairs)
  const side = sideOf(name)
  const all = Array.from({ length: pairs }, () => runPair(id, side, { ...chosen, gate }))
  const ended = await Promise.allSettled(all)
  const failure = ended.find(({ status }) => status === 'rejected')
  return failure ? { error: failure.reason.message } : merged(ended.map(({ value }) => value))
}
