// `npm run bench`: builds, then compares the package with node:net, workload by workload.
//   --only a,b    these workloads          --rounds N   default 7
//   --quick       only prove that each workload runs and its bytes are right
//   --json FILE   results as JSON          --save       the same into benchmark/results/
//   --pair A,B    other transports to compare; `node:net,node:net` shows how noisy the machine is
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measure, rowsOf } from '../benchmark/pairs.js'
import { environment, notes, report } from '../benchmark/report.js'
import { bar, Screen } from '../benchmark/terminal.js'
import { transportNames } from '../benchmark/transport.js'
import { duration } from './progress.js'
import { root, setup } from './setup.js'

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      save: { type: 'boolean', default: false },
      pair: { type: 'string', default: 'udsock,node:net' },
    },
  })
  const { quick, save, json } = values
  const rounds = quick ? 1 : Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds wants a number from 1 on')
  const pair = values.pair.split(',')
  if (pair.length !== 2 || !pair.every(name => transportNames.includes(name)))
    throw new Error(`--pair wants two of: ${transportNames.join(', ')}`)
  const all = rowsOf(values.only.split(',').filter(Boolean), quick)
  return { quick, save, json, rounds, pair, all }
}

/** Measures row by row and shows how far it is. */
async function measureAll({ all, pair, rounds, quick }) {
  const screen = new Screen()
  const start = performance.now()
  const wanted = all.filter(row => !row.skipped)
  const rows = []
  for (const [i, row] of wanted.entries()) {
    const place = row.placement === 'unpinned' ? row.id : `${row.id}, ${row.placement}`
    const onRun = ({ round, transport }) => {
      const done = (i + round / rounds) / wanted.length
      const elapsed = performance.now() - start
      const left = done > 0 ? `, ${duration((elapsed / done) * (1 - done))} left` : ''
      screen.draw([`${bar(done)} ${place}: round ${round + 1}/${rounds}, ${transport}${left}`])
    }
    const result = await measure(row, { pair, rounds, quick, onRun })
    rows.push(result)
    screen.clear()
    const [figure] = result.figures
    const outcome = figure ? `ratio ${figure.ratio.median.toFixed(2)}` : 'FAILED'
    console.log(`  ${place}  ${quick && figure ? 'bytes checked' : outcome}`)
  }
  return { environment: environment(), rounds, pair, rows, skipped: all.filter(row => row.skipped) }
}

function write(file, results) {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
  console.log(`written: ${file}`)
}

async function main() {
  const chosen = options()
  await setup()
  console.log(`${chosen.pair.join(' against ')}, ${chosen.rounds} round${chosen.rounds === 1 ? '' : 's'}:`)
  const results = await measureAll(chosen)
  const { rows } = results
  const failed = rows.filter(row => row.ours.errors.length + row.peer.errors.length > 0)
  if (!chosen.quick) console.log(`\n${report(results, chosen.pair).join('\n')}`)
  else if (failed.length > 0) console.log(notes(results, chosen.pair).join('\n'))
  if (chosen.json) write(chosen.json, results)
  if (chosen.save) {
    const directory = join(root, 'benchmark', 'results')
    mkdirSync(directory, { recursive: true })
    write(join(directory, `${process.version}.json`), results)
  }
  if (failed.length > 0) throw new Error(`${failed.length} of ${rows.length} workloads had failing runs`)
  if (chosen.quick) console.log(`${rows.length} workloads ran, bytes checked`)
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
