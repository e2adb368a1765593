// `npm start`: builds, then shows the package at work. Echo servers on a path and on an abstract name, clients in
// processes of their own, a foreign client, every byte checked, and node:net beside it doing the same.
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { exchange, foreignClient } from '../benchmark/foreign.js'
import { median } from '../benchmark/pairs.js'
import { Pattern } from '../benchmark/pattern.js'
import { runClient, Server, socketDirectory } from '../benchmark/processes.js'
import { formatted, table } from '../benchmark/format.js'
import { duration, Screen } from './terminal.js'
import { setup } from './setup.js'

/** Milliseconds for everything after the build. */
const limit = 30_000

/** Seconds measured per run, and how often every client runs in turn; a figure is the median of its runs. */
const seconds = 0.7
const passes = 2

/** Milliseconds in which a further pass must end to begin at all. */
const passesLimit = 22_000

const MiB = 1024 * 1024
const foreignBytes = 8 * MiB

/** What each client does, and the rows that its result fills. `hashed`: the bytes of which a SHA-256 is taken. */
const jobs = [
  {
    workload: 'pipeline',
    hashed: { size: 64, slices: 65_536 },
    rows: [
      {
        title: '64 B messages/s, pipelined',
        read: result => result.operations / result.seconds,
        better: 'higher',
      },
    ],
  },
  {
    workload: 'echo',
    hashed: { size: 65_536, slices: 256 },
    rows: [
      {
        title: '64 KiB chunks echoed, MiB/s',
        read: result => (result.operations * 65_536) / MiB / result.seconds,
        better: 'higher',
      },
    ],
  },
  {
    workload: 'ping',
    hashed: { size: 64, slices: 65_536 },
    rows: [
      { title: 'round trip of 64 B, p50 µs', read: result => result.latency.p50, better: 'lower' },
      { title: 'round trip of 64 B, p99 µs', read: result => result.latency.p99, better: 'lower' },
    ],
  },
]

const linux = process.platform === 'linux'
const screen = new Screen()
let step = 'set-up'

/** Returns the servers to drive: ours on each kind of address that the platform has, and node:net's. */
function plan() {
  const directory = socketDirectory()
  const abstract = `\0udsock-${process.pid}-${randomBytes(4).toString('hex')}`
  return [
    { title: 'udsock path', transport: 'udsock', address: join(directory, 'udsock') },
    ...(linux ? [{ title: 'udsock abstract', transport: 'udsock', address: abstract }] : []),
    { title: 'node:net path', transport: 'node:net', address: join(directory, 'node-net') },
  ]
}

const cell = (leg, row) => (leg.figures.has(row) ? formatted(leg.figures.get(row)) : '')

/** udsock against node:net, both on a path; above 1 is better for udsock. */
function ratio(legs, row) {
  const [ours, peer] = [legs[0].figures.get(row), legs.at(-1).figures.get(row)]
  if (ours === undefined || peer === undefined) return ''
  return (row.better === 'higher' ? ours / peer : peer / ours).toFixed(2)
}

/** Returns the lines of the table as far as it is filled. */
function lines(legs) {
  const rows = [['', ...legs.map(leg => leg.title), 'ratio']]
  for (const row of jobs.flatMap(job => job.rows))
    rows.push([row.title, ...legs.map(leg => cell(leg, row)), ratio(legs, row)])
  rows.push(['MiB checked', ...legs.map(leg => formatted(leg.checked / MiB)), ''])
  return table(rows, 1)
}

/** One client process; its figures appear while it runs. */
async function drive(job, leg, legs) {
  const { workload, hashed, rows } = job
  const { transport, address, server } = leg
  const before = leg.checked
  const show = result => {
    for (const row of rows) leg.figures.set(row, row.read(result))
    leg.checked = before + result.bytes
    screen.draw(['', ...lines(legs), '', `${leg.title}: ${workload} ...`])
  }
  const spec = { workload, transport, address, seconds, hashed, live: true }
  const result = await runClient(spec, { server, deadline: limit / 3, onProgress: show })
  show(result)
  const figures = rows.map(row => `${row.title}: ${formatted(row.read(result))}`)
  if (!screen.live)
    console.log(
      `  ${leg.title}: ${figures.join(', ')}, ${formatted((leg.checked - before) / MiB)} MiB checked`,
    )
  // Live figures are the running client's; final ones are the median of all clients.
  for (const row of rows) {
    const values = [...(leg.values.get(row) ?? []), row.read(result)]
    leg.values.set(row, values)
    leg.figures.set(row, median(values))
  }
}

/** Runs a foreign program against our servers. */
async function driveForeign(legs) {
  const client = foreignClient()
  if (client === undefined) return 'No foreign client was found (socat or python3), so none was run.'
  const data = new Pattern(foreignBytes, 1).data
  const ours = legs.filter(leg => leg.transport === 'udsock')
  for (const leg of ours) {
    step = `${client.name} against ${leg.title}`
    screen.draw(['', ...lines(legs), '', `${step} ...`])
    await exchange(client, leg.address, data, limit / 3)
    if (!screen.live) console.log(`  ${step}: ${foreignBytes / MiB} MiB there and back, checked`)
  }
  const digest = createHash('sha256').update(data).digest('hex').slice(0, 12)
  const where = ours.map(leg => leg.title).join(' and ')
  return `${client.name} on ${where}: ${foreignBytes / MiB} MiB there and back, SHA-256 ${digest}... as sent.`
}

async function run() {
  const legs = []
  for (const leg of plan()) {
    step = `${leg.title}: starting the echo server`
    const server = await Server.start({ ...leg, role: 'pipe' })
    legs.push({ ...leg, server, figures: new Map(), values: new Map(), checked: 0 })
  }
  if (!linux) console.log('Abstract names exist on Linux only, so only a path is served here.')
  const began = performance.now()
  let done = 0
  while (done < passes && (performance.now() - began) * (1 + 1 / Math.max(done, 1)) < passesLimit) {
    for (const job of jobs)
      for (const leg of legs) {
        step = `${leg.title}: ${job.workload}`
        await drive(job, leg, legs)
      }
    done++
  }
  const foreign = await driveForeign(legs)
  for (const leg of legs) {
    step = `${leg.title}: stopping the echo server`
    await leg.server.stop()
  }
  screen.clear()
  return [
    '',
    ...lines(legs),
    '',
    `${done === 1 ? 'One run each' : `Medians of ${done} runs in turn`}. Ratio: udsock path to node:net path, above 1 is better for udsock.`,
    'Pipelined: 256 in flight.',
    'Every byte came back as it was sent: SHA-256 compared step by step.',
    foreign,
  ]
}

function fail(message) {
  screen.clear()
  console.error(`\nFAILED at ${step}: ${message}`)
  process.exit(1)
}

await setup()
const start = performance.now()
const timer = setTimeout(() => fail(`not finished within ${limit / 1000} s`), limit)
console.log('Echo servers and their clients, each a process of its own:')
try {
  console.log((await run()).join('\n'))
} catch (error) {
  fail(error.message)
}
clearTimeout(timer)
console.log(`Done in ${duration(performance.now() - start)}.`)
