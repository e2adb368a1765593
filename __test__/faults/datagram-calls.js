// Each call of one site fails in turn, by each kind of fault, while sockets for datagrams are made, connected and used: the call of the package
// rejects with that error or succeeds, and nothing is left. Usage: datagram-calls.js SITE KINDS. One line of JSON per kind.
//
// With '*' for the site, KINDS are rules, under which calls fail by chance; the third argument is the first of some seeds. One line.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scenario } from './datagram-scenario.js'
import { descriptors, Ledger, settled, sleep } from './ledger.js'
import { faultCounts, setFaults } from './plan.js'

const [site, kinds, seed] = process.argv.slice(2)
/** Calls of a site that fail in turn, at most; and seeds. */
const most = 60
const home = mkdtempSync(join(tmpdir(), 'uf-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

let ledger = new Ledger()
process.on('uncaughtException', error => {
  ledger.uncaught++
  ledger.fail('uncaught', error)
})

/** Runs the scenario under rules; returns the counts of calls and faults. */
async function run(name, rules, given = 1) {
  setFaults(rules, given)
  await scenario(ledger, join(home, name))
  const counts = faultCounts()
  setFaults('', 0)
  const here = site === '*' ? Object.values(counts) : [counts[site] ?? [0, 0]]
  return [0, 1].map(which => here.reduce((sum, count) => sum + count[which], 0))
}

/** Has the calls of the site fail, one a run. Returns how many have. */
async function inTurn(kind) {
  for (let number = 1; number <= most; number++) {
    const [, failed] = await run(`${kind}-${number}`, `${site}:${kind}:every=${number}:times=1`)
    if (failed === 0) return number - 1
  }
  return most
}

/** Has calls of every site fail by chance. Returns how many have. */
async function byChance() {
  let faults = 0
  for (let given = Number(seed); given < Number(seed) + most; given++) {
    const [, failed] = await run(`s-${given}`, kinds, given)
    faults += failed
    // A failure has the seed that repeats it.
    if (ledger.broken.length > 0) ledger.broken.push(`seed ${given}`)
    if (ledger.broken.length > 0) return faults
  }
  return faults
}

await run('first', '')
await settled()
console.log('ready')
const before = await settled()

for (const kind of site === '*' ? ['mixed'] : kinds.split(',')) {
  const start = performance.now()
  ledger = new Ledger()
  const faults = site === '*' ? await byChance() : await inTurn(kind)
  const { exact, surfaced, uncaught, broken } = ledger
  ledger = new Ledger()
  const [calls] = await run(`${kind}-after`, '')
  const complaints = Object.keys(ledger.surfaced)
  broken.push(...[...ledger.broken, ...complaints].map(what => `afterwards: ${what}`))
  for (let tries = 0; tries < 1000 && descriptors() !== before; tries++) await sleep(20)
  const files = readdirSync(home)
  for (const file of files) rmSync(join(home, file), { recursive: true, force: true })
  const milliseconds = Math.round(performance.now() - start)
  const report = { kind, calls, faults, exact, surfaced, cut: 0, uncaught, broken, files, milliseconds }
  console.log(JSON.stringify({ ...report, leaked: descriptors() - before }))
}
process.exit()
