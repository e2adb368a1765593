// `npm test`: sets up, then runs the group `default`. `npm test -- NAME...` runs only the suites and groups of those names.
// After UDSOCK_TEST_MINUTES no further suite starts: those that are left count as failed.
// The last line is `N passed, N failed`; the exit code is 0 if nothing failed.
import util from 'node:util'
import { Tally } from './outcome.js'
import { prepare, SetupError } from './setup.js'
import { groups } from './suites.js'
import { duration, row, timed } from './terminal.js'

const every = Object.values(groups).flat()

/** Returns the suites that `names` choose, each once, in their order. Throws SetupError for an unknown name. */
function chooseSuites(names) {
  const known = [...Object.keys(groups), ...every.map(suite => suite.name)]
  const unknown = names.filter(name => !known.includes(name))
  if (unknown.length > 0)
    throw new SetupError(`no suite is called ${unknown.join(', ')}; there are: ${known.join(', ')}`)
  if (names.length === 0) return groups.default
  return [...new Set(names.flatMap(name => groups[name] ?? every.filter(suite => suite.name === name)))]
}

function countsOf({ passed, failed, skipped }) {
  const counts = [`${passed} passed`]
  if (failed > 0) counts.push(`${failed} FAILED`)
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
  return counts.join(', ')
}

const minutes = Number(process.env.UDSOCK_TEST_MINUTES ?? Infinity)

/** Returns the outcome of a suite for which no time is left. */
const outOfTime = () => ({
  passed: 0,
  failed: 1,
  skipped: [],
  output: `not run: it would start more than UDSOCK_TEST_MINUTES=${minutes} minutes after the first suite`,
})

/** Runs a suite and prints its row, and its output if it failed. Returns its outcome. */
async function runSuite({ name, run }) {
  let progress = ''
  const onCount = text => {
    progress = text
  }
  const [result, elapsed] = await timed(
    name,
    () => (performance.now() - start > minutes * 60_000 ? outOfTime() : run(onCount)),
    () => progress,
  )
  // A suite that installs the newest release of a program names its version.
  const title = result.version === undefined ? name : `${name} (${result.version})`
  console.log(row(title, countsOf(result), elapsed))
  if (result.note !== undefined) console.log(`    ${result.note}`)
  // Some tools print colours where CI is set, as in a terminal.
  if (result.failed > 0) console.log(`\n${util.stripVTControlCharacters(result.output).trim()}\n`)
  return result
}

/** Lists what was skipped, each text once, behind the names of its suites. */
function skippedLines(results) {
  const suitesOf = new Map()
  for (const [name, { skipped }] of results)
    for (const what of new Set(skipped)) suitesOf.set(what, [...(suitesOf.get(what) ?? []), name])
  return [...suitesOf].map(([what, names]) => `${names.join(', ')}: ${what}`)
}

const start = performance.now()
const total = new Tally()
/** Outcomes by suite. */
const results = new Map()
try {
  const chosen = chooseSuites(process.argv.slice(2))
  await prepare()
  // Scripts that set up by themselves then take this build.
  process.env.UDSOCK_SKIP_BUILD = '1'
  console.log('Testing:')
  for (const suite of chosen) {
    const result = await runSuite(suite)
    results.set(suite.name, result)
    total.add(result)
  }
  console.log(`\nDone in ${duration(performance.now() - start)}`)
} catch (error) {
  total.failed += 1
  console.log(error instanceof SetupError ? `\n${error.message}` : error)
}
const skipped = skippedLines(results)
if (skipped.length > 0) console.log(`Skipped, not counted as passed:\n  ${skipped.join('\n  ')}`)
const failing = [...results].filter(([, { failed }]) => failed > 0).map(([name]) => name)
if (failing.length > 0) console.log(`Failed: ${failing.join(', ')}`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
