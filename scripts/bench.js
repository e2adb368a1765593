// `npm run bench`: builds, then compares the package with node:net, workload by workload.
// `npm run bench:peers`: the same with --peers.
//   --only a,b    these workloads          --rounds N   default 7
//   --quick       only prove that each workload runs and its bytes are right
//   --json FILE   results as JSON          --save       the same into benchmark/results/
//   --mixed       also with one end swapped, where a user could change that one alone
//   --pair A,B    other sides to compare; `node:net,node:net` shows how noisy the machine is, `udsock+node:net` is a
//                 client of ours and a server of node:net's
//   --peers       against Bun, Deno, racket and C instead of node:net; --against bun,c picks some of them
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measure, rowsOf } from '../benchmark/pairs.js'
import { peerRows, peers } from '../benchmark/peers.js'
import { sideOf } from '../benchmark/programs.js'
import { environment, missed, notes, report } from '../benchmark/report.js'
import { bar, Screen } from '../benchmark/terminal.js'
import { preparePeers } from './peers.js'
import { duration } from './progress.js'
import { root, setup } from './setup.js'

const list = text => text.split(',').filter(Boolean)

function options() {
  const { values, tokens } = parseArgs({
    tokens: true,
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      save: { type: 'boolean', default: false },
      mixed: { type: 'boolean', default: false },
      pair: { type: 'string', default: 'udsock,node:net' },
      peers: { type: 'boolean', default: false },
      against: { type: 'string', default: Object.keys(peers).join() },
    },
  })
  const given = new Set(tokens.map(token => token.name))
  const rounds = values.quick ? 1 : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a number from 1 on')
  const pair = list(values.pair)
  if (pair.length !== 2) throw new Error('--pair wants two sides')
  pair.forEach(sideOf)
  const partial = ['quick', 'only', 'pair', 'against'].filter(name => given.has(name))
  if (values.save && partial.length > 0)
    throw new Error(`--save keeps whole runs only, without ${partial.map(name => `--${name}`).join(', ')}`)
  return { ...values, rounds, pair, only: list(values.only), against: list(values.against) }
}

/** The rows to measure, and the versions of the programs that take part beside Node.js. */
async function plan(chosen) {
  if (!chosen.peers) return { rows: rowsOf(chosen.only, chosen), versions: undefined }
  console.log('Peers:')
  const { versions, missing } = await preparePeers(chosen.against)
  return { rows: peerRows(chosen.against, chosen.only, missing), versions }
}

/** Measures row by row and shows how far it is. */
async function measureAll(planned, { rounds, quick }) {
  const screen = new Screen()
  const start = performance.now()
  const wanted = planned.filter(row => !row.skipped)
  const rows = []
  for (const [i, row] of wanted.entries()) {
    const place = row.placement === 'unpinned' ? row.id : `${row.id}, ${row.placement}`
    const onRun = ({ round, side }) => {
      const done = (i + round / rounds) / wanted.length
      const elapsed = performance.now() - start
      const left = done > 0 ? `, ${duration((elapsed / done) * (1 - done))} left` : ''
      screen.draw([`${bar(done)} ${place}: round ${round + 1}/${rounds}, ${side}${left}`])
    }
    const result = await measure(row, { rounds, quick, onRun })
    rows.push(result)
    screen.clear()
    const [figure] = result.figures
    const outcome = figure ? `ratio ${figure.ratio.median.toFixed(2)}` : 'FAILED'
    console.log(`  ${row.pair.join(' : ')}  ${place}  ${quick && figure ? 'bytes checked' : outcome}`)
  }
  return rows
}

/** No figure has more than six digits that mean anything. */
const short = (_, value) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value

function write(file, results) {
  writeFileSync(file, `${JSON.stringify(results, short, 1)}\n`)
  console.log(`written: ${file}`)
}

/** One file for each line of Node.js, so that a later run takes the place of an earlier one. */
function save(results, name) {
  const directory = join(root, 'benchmark', 'results')
  mkdirSync(directory, { recursive: true })
  write(join(directory, `${name}-${process.versions.node.split('.')[0]}.json`), results)
}

async function main() {
  const chosen = options()
  const { quick } = chosen
  await setup()
  const { rows: planned, versions } = await plan(chosen)
  const skipped = planned.filter(row => row.skipped)
  console.log(`${chosen.rounds} round${chosen.rounds === 1 ? '' : 's'}:`)
  const rows = await measureAll(planned, chosen)
  const results = { environment: environment(versions), rounds: chosen.rounds, rows, skipped }
  const failed = rows.filter(row => row.ours.errors.length + row.peer.errors.length > 0)
  if (!quick) console.log(`\n${report(results).join('\n')}`)
  else console.log([...(failed.length > 0 ? notes(results) : []), ...missed(results)].join('\n'))
  if (chosen.json) write(chosen.json, results)
  if (chosen.save) save(results, chosen.peers ? 'peers' : 'node')
  if (failed.length > 0) throw new Error(`${failed.length} of ${rows.length} workloads had failing runs`)
  if (quick) console.log(`${rows.length} workloads ran, bytes checked`)
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
