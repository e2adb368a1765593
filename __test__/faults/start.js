// The first use of the package, on which the engine starts, fails by each kind in turn, and then succeeds.
// Usage: start.js SITE KINDS. One line of JSON per kind.
import { connect } from '../../index.js'
import { descriptors } from './ledger.js'
import { faultCounts, setFaults } from './plan.js'

const [site, kinds] = process.argv.slice(2)

async function attempt() {
  try {
    await connect('/nowhere/at/all')
    return 'connected'
  } catch (error) {
    return error.code
  }
}

console.log('ready')
// The runtime's thread, which stays, comes before what else the doorbell needs.
let before
for (const kind of ['EIO', ...kinds.split(',')]) {
  setFaults(`${site}:${kind}:times=1`, 0)
  const outcome = await attempt()
  const [calls, faults] = faultCounts()[site] ?? [0, 0]
  before ??= descriptors()
  const leaked = descriptors() - before
  console.log(JSON.stringify({ kind, calls, faults, outcome, leaked }))
}
setFaults('', 0)
console.log(JSON.stringify({ kind: 'none', calls: 0, faults: 0, outcome: await attempt(), leaked: 0 }))
process.exit()
