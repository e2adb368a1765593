// The client process: runs one workload and prints one JSON line. Over the process channel it reports when the measured
// window begins and ends, and, with `live`, its progress.
import { Arrivals, HashedArrivals, Pattern } from './pattern.js'
import { transport } from './transport.js'
import { demonstrations, workloads } from './workloads.js'

/**
 * `seconds` are measured after a warm-up of a tenth of that; `cold` is without; `count` instead makes so many operations, once.
 * `options` go to the transport's own connect(). `hashed` replaces the workload's bytes and compares SHA-256 digests after each step, which is as long as the pattern
 * at most. `live` reports ten times a second.
 */
const spec = JSON.parse(process.argv[2])
const { workload: id, transport: name, address, seconds, count, options, hashed, live, cold } = spec

const workload = workloads[id] ?? demonstrations[id]
const bytes = hashed ?? workload.bytes
const pattern = bytes && new Pattern(bytes.size, bytes.slices)
const clock = {
  started: 0,
  restart() {
    this.started = performance.now()
  },
  lap() {
    return performance.now() - this.started
  },
}
const total = { operations: 0, milliseconds: 0, failures: {}, latencies: [], measures: undefined }
let measuring = false
let highWaterMark

/** Count, median, 99th percentile and maximum of every sample, in microseconds. */
function quantiles(parts) {
  const sorted = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    sorted.set(part, offset)
    offset += part.length
  }
  if (sorted.length === 0) return undefined
  sorted.sort()
  const at = part => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] * 1000
  return { samples: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** What has been measured and checked so far. */
function summary(opened) {
  return {
    operations: total.operations,
    seconds: total.milliseconds / 1000,
    latency: quantiles(total.latencies),
    failures: total.failures,
    measures: total.measures,
    highWaterMark,
    bytes: opened.checkers.reduce((sum, checker) => sum + checker.bytes, 0),
  }
}

/** Sends a message to the runner and waits for its answer. */
function tell(message) {
  return new Promise(resolve => {
    process.once('message', resolve)
    process.send(message)
  })
}

/**
 * Reports to the runner that the code is loaded, and waits until there is a server; or that the measured window begins or ends, and
 * waits until the runner has read the server's CPU time.
 */
const mark = type => tell({ type })

async function timedStep(opened, operations) {
  clock.restart()
  const result = await opened.step(operations, clock)
  const milliseconds = result.elapsed ?? clock.lap()
  for (const checker of opened.checkers) checker.finish()
  return { ...result, milliseconds }
}

/** Seconds of a warm-up. V8 optimizes a function after some 500 calls without a new type: 0.1 s of requests over HTTP, asleep in between. */
const warming = Math.max(0.5, seconds / 10)

/** Steps of growing size; returns operations per millisecond. */
async function warmUp(opened, longest) {
  let operations = workload.fixed ? workload.fixed / 10 : 1
  let spent = 0
  let rate
  while (spent < warming * 1000) {
    const step = await timedStep(opened, operations)
    spent += step.milliseconds
    rate = step.operations / step.milliseconds
    operations = Math.max(1, Math.min(operations * 8, longest, Math.ceil(rate * seconds * 50)))
  }
  return rate
}

/** Operations of the next step of a cold run: short steps, because the code becomes faster. */
function nextCold(operations, step, missing) {
  const left = Math.max(1, missing - step.milliseconds)
  const rate = step.operations / step.milliseconds
  return Math.max(1, Math.min(operations * 8, Math.ceil(rate * Math.min(100, left))))
}

async function measure(opened) {
  const longest = hashed?.slices ?? Infinity
  const isCold = cold && count === undefined
  const rate = count || isCold ? undefined : await warmUp(opened, longest)
  let operations = workload.fixed ?? 1
  const goal = count ? 0 : seconds * 1000
  // Where steps are much shorter than the run, checking between them must not dominate.
  const latest = performance.now() + 2 * goal

  await mark('begin')
  measuring = true
  const before = process.cpuUsage()
  do {
    const missing = goal - total.milliseconds
    if (rate) operations = Math.ceil(rate * (live ? 100 : missing) * 1.05)
    const step = await timedStep(opened, count ?? workload.fixed ?? Math.min(longest, operations))
    if (isCold) operations = nextCold(operations, step, missing)
    total.operations += step.operations
    total.milliseconds += step.milliseconds
    if (step.latencies) total.latencies.push(step.latencies)
    total.measures = step.measures
    for (const [code, times] of Object.entries(step.failures ?? {}))
      total.failures[code] = (total.failures[code] ?? 0) + times
    if (live) process.send({ type: 'progress', ...summary(opened) })
  } while (total.milliseconds < goal && performance.now() < latest)
  const { user, system } = process.cpuUsage(before)
  await mark('end')
  return { ...summary(opened), cpu: user + system }
}

process.on('disconnect', () => process.exit(1))
const ends = await transport(name, workload.carries)
await mark('loaded')
const opened = await workload.run({
  async connect() {
    const socket = await ends.connect(address, options)
    highWaterMark ??= socket.writableHighWaterMark
    return socket
  },
  transport: name,
  ends,
  address,
  pattern,
  count,
  seconds,
  /** Returns the server process's 'usage' (CPU time in microseconds) or 'memory' (in bytes). */
  ask: order => tell({ type: 'ask', order }),
  arrivals: () => (hashed ? new HashedArrivals(pattern.data) : new Arrivals(pattern.data)),
  every: () => (measuring ? 16 : 1),
})
const result = await measure(opened)
await opened.close()
console.log(JSON.stringify(result))
// Nothing may keep the process alive now.
process.removeAllListeners('disconnect')
process.disconnect()
