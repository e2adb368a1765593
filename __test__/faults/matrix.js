// For one site, each kind of fault in turn: a round of traffic with it, then one without, which must be exact.
// Usage: matrix.js SITE KINDS RULE SEED; RULE has KIND for the kind, SITE '*' counts all. One line of JSON per kind.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { descriptors, Ledger, settled, sleep } from './ledger.js'
import { faultCounts, setFaults } from './plan.js'
import { round } from './traffic.js'

const [site, kinds, rule, seed] = process.argv.slice(2)
const home = mkdtempSync(join(tmpdir(), 'uf-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

let ledger
process.on('uncaughtException', error => {
  ledger.uncaught++
  ledger.fail('uncaught', error)
})

async function run(name, rules) {
  ledger = new Ledger()
  setFaults(rules, Number(seed))
  await round(ledger, file => join(home, `${name}-${file}`), Number(seed))
  const counts = faultCounts()
  const here = site === '*' ? Object.values(counts) : [counts[site] ?? [0, 0]]
  const [calls, faults] = [0, 1].map(which => here.reduce((sum, count) => sum + count[which], 0))
  return { calls, faults, ledger }
}

// The runtime's thread and the engine have descriptors for good.
await run('first', '')
await run('second', '')
// And so does Node, once it writes to a pipe.
console.log('ready')
const before = await settled()

for (const kind of kinds.split(',')) {
  const start = performance.now()
  const faulty = await run(kind, rule.replaceAll('KIND', kind))
  const milliseconds = Math.round(performance.now() - start)
  faulty.ledger.close(kind === 'zero' && site === 'recv' ? faulty.faults : 0)
  const { exact, surfaced, cut, uncaught, broken } = faulty.ledger
  const after = await run(`${kind}-after`, '')
  after.ledger.close()
  broken.push(...after.ledger.broken.map(what => `afterwards: ${what}`))
  // The other side may get an error of an end that closes without sending.
  const complaints = Object.keys(after.ledger.surfaced).filter(what => !what.startsWith('greeting '))
  if (complaints.length > 0) broken.push(`afterwards: ${complaints.join(', ')}`)
  for (let attempt = 0; attempt < 1000 && descriptors() !== before; attempt++) await sleep(20)
  const leaked = descriptors() - before
  const files = readdirSync(home)
  for (const file of files) rmSync(join(home, file), { recursive: true, force: true })
  const { calls, faults } = faulty
  console.log(
    JSON.stringify({
      kind,
      calls,
      faults,
      exact,
      surfaced,
      cut,
      uncaught,
      broken,
      leaked,
      files,
      milliseconds,
    }),
  )
}
process.exit()
