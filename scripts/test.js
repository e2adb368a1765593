// `npm test`: set-up, then every suite but the long ones; `npm test -- NAME...` runs only those named, and
// `npm test -- --all` every one. The last line is `N passed, N failed`.
import util from 'node:util'
import { duration, row, timed } from './progress.js'
import { prepare, SetupError } from './setup.js'
import { longSuites, suites } from './suites.js'

const total = { passed: 0, failed: 0 }
const skipped = []
const failing = []

function chosenSuites(names) {
  const every = [...suites, ...longSuites]
  if (names.includes('--all')) return every
  const known = every.map(suite => suite.name)
  const unknown = names.filter(name => !known.includes(name))
  if (unknown.length > 0) {
    throw new SetupError(`no suite is called ${unknown.join(', ')}; there are: ${known.join(', ')}`)
  }
  return names.length === 0 ? suites : every.filter(suite => names.includes(suite.name))
}

function counted(result) {
  const counts = [`${result.passed} passed`]
  if (result.failed > 0) counts.push(`${result.failed} FAILED`)
  if (result.skipped.length > 0) counts.push(`${result.skipped.length} skipped`)
  return counts.join(', ')
}

async function runSuite({ name, run }) {
  let detail = ''
  const onCount = text => {
    detail = text
  }
  const [result, elapsed] = await timed(
    name,
    () => run(onCount),
    () => detail,
  )
  console.log(row(name, counted(result), elapsed))
  total.passed += result.passed
  total.failed += result.failed
  skipped.push(...result.skipped.map(what => `${name}: ${what}`))
  if (result.failed === 0) return
  failing.push(name)
  // Some tools take CI for a terminal with colours.
  console.log(`\n${util.stripVTControlCharacters(result.output).trim()}\n`)
}

async function main() {
  const start = performance.now()
  const chosen = chosenSuites(process.argv.slice(2))
  await prepare()
  // Suites that set up for themselves find it done.
  process.env.UDSOCK_SKIP_BUILD = '1'
  console.log('Testing:')
  for (const suite of chosen) await runSuite(suite)
  console.log(`\nDone in ${duration(performance.now() - start)}`)
}

try {
  await main()
} catch (error) {
  total.failed += 1
  console.log(error instanceof SetupError ? `\n${error.message}` : error)
}
if (skipped.length > 0) console.log(`Skipped, not counted as passed:\n  ${skipped.join('\n  ')}`)
if (failing.length > 0) console.log(`Failed: ${failing.join(', ')}`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
