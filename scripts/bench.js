// `npm run bench`: builds, then compares the package with node:net, workload by workload.
// `npm run bench:peers`: the same with --peers. `npm run bench:messages`: the same with --messages.
//   --rows a,b    these workloads (--only is the same); `lines` means lines-32, too, and `crowd` each of its numbers
//   --on WHAT     runs both ends on another runtime: a program's path, a version of Node.js such as 26, bun or deno
//   --cold        the first second of fresh processes instead of what follows a warm-up
//   --rounds N    default 7
//   --quick       only prove that each workload runs and its bytes are right
//   --json FILE   results as JSON
//   --save        the same into benchmark/results/; with --rows or --against, into the file of the same day
//   --mixed       also with one end swapped, where a user could change that one alone
//   --pair A,B    other sides to compare; `node:net,node:net` shows how noisy the machine is, `udsock+node:net` is a
//                 client of ours and a server of node:net's
//   --peers       against Bun, Deno, racket and C instead of node:net; --against bun,c picks some of them
//   --messages    datagrams, packets and descriptors, against unix-dgram, node-unix-socket, usocket, C and FramedSocket;
//                 --against usocket,c picks some of them
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messagePeers } from '../benchmark/message-peers.js'
import { measure, rowsOf } from '../benchmark/pairs.js'
import { peerRows, peers } from '../benchmark/peers.js'
import { sideOf } from '../benchmark/programs.js'
import { environment, missed, notes, report } from '../benchmark/report.js'
import { asText, save } from '../benchmark/results.js'
import { portable } from '../benchmark/runtimes.js'
import { chooseRuntime, prepareLibraries } from './bench-runtime.js'
import { preparePeers } from './peers.js'
import { root, setup } from './setup.js'
import { bar, duration, Screen } from './terminal.js'

const list = text => text.split(',').filter(Boolean)

function options() {
  const { values, tokens } = parseArgs({
    tokens: true,
    options: {
      only: { type: 'string', default: '' },
      rows: { type: 'string', default: '' },
      on: { type: 'string' },
      cold: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '7' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      save: { type: 'boolean', default: false },
      mixed: { type: 'boolean', default: false },
      pair: { type: 'string', default: 'udsock,node:net' },
      peers: { type: 'boolean', default: false },
      messages: { type: 'boolean', default: false },
      against: { type: 'string' },
    },
  })
  const given = new Set(tokens.map(token => token.name))
  const rounds = values.quick ? 1 : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a number from 1 on')
  const pair = list(values.pair)
  if (pair.length !== 2) throw new Error('--pair wants two sides')
  pair.forEach(sideOf)
  const foreign = ['quick', 'pair', 'mixed'].filter(name => given.has(name))
  if (values.save && foreign.length > 0)
    throw new Error(
      `--save keeps the usual pairs only, without ${foreign.map(name => `--${name}`).join(', ')}`,
    )
  if (values.peers && values.messages) throw new Error('--peers and --messages are runs of their own')
  const among = values.messages ? messagePeers : values.peers ? peers : undefined
  if (among && values.cold)
    throw new Error('--cold compares with node:net alone, without --peers or --messages')
  const only = list(`${values.only},${values.rows}`)
  const partial = only.length > 0 || given.has('against')
  const against = values.against === undefined ? Object.keys(among ?? {}) : list(values.against)
  return { ...values, rounds, pair, only, partial, among, against }
}

/** The rows to measure, and the versions of the programs that take part beside Node.js. */
async function plan({ among, against, messages, only, ...chosen }, { runtime, program }) {
  if (!among) return { rows: portable(rowsOf(only, chosen), runtime), versions: undefined }
  if (messages && runtime.name !== 'Node.js') throw new Error('--messages compares on Node.js alone')
  console.log('Peers:')
  const { versions, missing } = await preparePeers(among, against, { program, version: runtime.version })
  return { rows: peerRows(among, against, only, missing), versions }
}

/** Runs that may take place at once where no time is measured. */
const quickLanes = 2

/** Measures row by row and shows the progress. */
async function measureAll(planned, { rounds, quick }) {
  const screen = new Screen()
  const start = performance.now()
  const wanted = planned.filter(row => !row.skipped)
  const results = new Map()
  let begun = 0
  const measureNext = async () => {
    const i = begun++
    const row = wanted[i]
    const place = row.placement === 'unpinned' ? row.id : `${row.id}, ${row.placement}`
    const onRun = ({ round, side }) => {
      const done = (i + round / rounds) / wanted.length
      const elapsed = performance.now() - start
      const left = done > 0 ? `, ${duration((elapsed / done) * (1 - done))} left` : ''
      screen.draw([`${bar(done)} ${place}: round ${round + 1}/${rounds}, ${side}${left}`])
    }
    const measured = await measure(row, { rounds, quick, onRun })
    results.set(row, measured)
    screen.clear()
    for (const { pair, figures } of measured) {
      const outcome = figures[0] ? `ratio ${figures[0].ratio.median.toFixed(2)}` : 'FAILED'
      console.log(`  ${pair.join(' : ')}  ${place}  ${quick && figures[0] ? 'bytes checked' : outcome}`)
    }
  }
  const lane = async () => {
    while (begun < wanted.length) await measureNext()
  }
  await Promise.all(Array.from({ length: quick ? quickLanes : 1 }, lane))
  return wanted.flatMap(row => results.get(row))
}

async function main() {
  const chosen = options()
  const { quick } = chosen
  await setup()
  await prepareLibraries()
  const { runtime, program } = await chooseRuntime(chosen.on)
  const { rows: planned, versions } = await plan(chosen, { runtime, program })
  const skipped = planned.filter(row => row.skipped)
  console.log(`${chosen.rounds} round${chosen.rounds === 1 ? '' : 's'}:`)
  const rows = await measureAll(planned, chosen)
  const results = { environment: environment(runtime, versions), rounds: chosen.rounds, rows, skipped }
  const failed = rows.filter(row => row.ours.errors.length + row.peer.errors.length > 0)
  if (!quick) console.log(`\n${report(results).join('\n')}`)
  else console.log([...(failed.length > 0 ? notes(results) : []), ...missed(results)].join('\n'))
  if (chosen.json) writeFileSync(chosen.json, asText(results))
  if (chosen.save) {
    const day = new Date().toISOString().slice(0, 10)
    console.log(`written: ${save(join(root, 'benchmark', 'results'), results, { ...chosen, day })}`)
  }
  if (failed.length > 0) throw new Error(`${failed.length} of ${rows.length} workloads had failing runs`)
  if (quick) console.log(`${rows.length} workloads ran, bytes checked`)
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
