// Traffic for a long time, while one system call in a hundred fails: streams are exact or an error is seen, to the last.
// Usage: soak.js SECONDS SEED. The last line is JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { descriptors, Ledger, sleep } from './ledger.js'
import { faultCounts, setFaults } from './plan.js'
import { round } from './traffic.js'

const seconds = Number(process.argv[2])
const first = Number(process.argv[3])
const home = mkdtempSync(join(tmpdir(), 'uk-'))
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

/** Together one in a hundred of the calls that move bytes; those that end a connection are the rarest. */
const rules = [
  ...['EINTR', 'EAGAIN', 'short'].map(kind => `recv:${kind}:p=0.003`),
  ...['EINTR', 'EAGAIN', 'short', 'zero'].map(kind => `send:${kind}:p=0.002`),
  ...['recv:ECONNRESET', 'send:EPIPE'].map(rule => `${rule}:p=0.001`),
  ...['EINTR', 'EMFILE', 'ENOBUFS'].map(kind => `accept:${kind}:p=0.003`),
  ...[
    'connect:EAGAIN',
    'connect:EINTR',
    'socket:EMFILE',
    'epoll_ctl:ENOMEM',
    'wake:EAGAIN',
    'epoll_wait:EINTR',
  ].map(rule => `${rule}:p=0.01`),
].join()

const totals = { rounds: 0, exact: 0, errors: 0, cut: 0, calls: 0, faults: 0, uncaught: 0, broken: [] }
let ledger = new Ledger()
process.on('uncaughtException', error => {
  ledger.broken.push(`uncaught: ${error.stack}`)
  totals.uncaught++
})

async function next(seed, plan) {
  ledger = new Ledger()
  setFaults(plan, seed)
  await round(ledger, file => join(home, `${seed}-${file}`), seed)
  ledger.close()
  for (const [calls, faults] of Object.values(faultCounts())) {
    totals.calls += calls
    totals.faults += faults
  }
  totals.rounds++
  totals.exact += ledger.exact
  totals.errors += Object.values(ledger.surfaced).reduce((sum, count) => sum + count, 0)
  totals.cut += ledger.cut
  totals.broken.push(...ledger.broken.map(what => `seed ${seed}: ${what}`))
}

console.log('ready')
await next(first, '')
await sleep(500)
const before = descriptors()
const end = performance.now() + seconds * 1000
for (let seed = first + 1; performance.now() < end && totals.broken.length === 0; seed++) {
  await next(seed, rules)
  if (totals.rounds % 500 === 0) console.error(JSON.stringify({ seed, ...totals }))
}
await next(first, '')
for (let attempt = 0; attempt < 100 && descriptors() !== before; attempt++) await sleep(20)
console.log(JSON.stringify({ ...totals, leaked: descriptors() - before }))
process.exit()
