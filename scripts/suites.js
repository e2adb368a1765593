// What `npm test` and its kin run, in order, and how each runner's own words become counts.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildAddon } from './addon.js'
import { asanSuite } from './asan.js'
import { command, root } from './command.js'
import { miriSuite } from './miri.js'
import { runtimeSuites } from './runtimes.js'
import { valgrindSuite } from './valgrind.js'

// Far beyond the slowest suite: only something that hangs gets here.
const TIMEOUT = 30 * 60_000

/**
 * An outcome: { passed, failed, skipped: [what was], output }.
 * A runner that ended badly without naming a failure, or that ran nothing, is one failure.
 */
function outcome({ code, output }, counts) {
  const { passed = 0, failed = 0, skipped = [] } = counts
  const unexplained = failed === 0 && (code !== 0 || passed + skipped.length === 0)
  return { passed, failed: unexplained ? 1 : failed, skipped, output }
}

const check = (name, file, ...args) => ({
  name,
  run: async () => {
    const result = await command(file, args, { timeout: TIMEOUT })
    return outcome(result, result.code === 0 ? { passed: 1 } : { failed: 1 })
  },
})

const title = line => line.replace(/^(?:not )?ok \d+ - | # SKIP$/g, '')

/** Counts of TAP text as AVA writes it: its closing comments also count crashes and tests that never ran. */
export function tapCounts(text) {
  const lines = text.split('\n')
  const points = lines.filter(line => /^(?:not )?ok \d+/.test(line))
  const skips = points.filter(line => /^ok .*# SKIP$/.test(line))
  const todos = points.filter(line => /^not ok .*# TODO$/.test(line))
  const passed = points.filter(line => line.startsWith('ok')).length - skips.length
  const failed = points.filter(line => line.startsWith('not ok')).length - todos.length
  const closing = Number(lines.findLast(line => line.startsWith('# fail '))?.split(' ')[2] ?? 0)
  const skipped = [...skips, ...todos].map(title)
  return { passed, failed: Math.max(failed, closing - todos.length), skipped }
}

/** Counts of nextest's `Summary [...] 5 tests run: 4 passed, 1 failed, 0 skipped`. */
export function nextestCounts(text) {
  const summary = text.split('\n').findLast(line => /^\s*Summary \[/.test(line)) ?? ''
  const counts = { passed: 0, failed: 0, skipped: [] }
  for (const [, count, kind] of summary.matchAll(/(\d+) (passed|exec failed|failed|timed out|skipped)/g)) {
    if (kind === 'passed') counts.passed += Number(count)
    else if (kind !== 'skipped') counts.failed += Number(count)
    else if (count !== '0') counts.skipped.push(`${count} ignored Rust tests`)
  }
  return counts
}

/** Counts of libtest's `test result: ok. 4 passed; 1 failed; 0 ignored; ...`, one line per test binary. */
export function libtestCounts(text) {
  const counts = { passed: 0, failed: 0, skipped: [] }
  let ignored = 0
  for (const match of text.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    counts.passed += Number(match[1])
    counts.failed += Number(match[2])
    ignored += Number(match[3])
  }
  if (ignored > 0) counts.skipped.push(`${ignored} ignored Rust tests`)
  return counts
}

async function runCargo(what = ['--workspace'], where = ['--tests']) {
  const nextest = await command('cargo', ['nextest', '--version'])
  if (nextest.code === 0) {
    const args = ['nextest', 'run', '--no-fail-fast', ...what]
    const result = await command('cargo', args, { timeout: TIMEOUT })
    return outcome(result, nextestCounts(result.output))
  }
  const args = ['test', '--no-fail-fast', ...where, ...what]
  const result = await command('cargo', args, { timeout: TIMEOUT })
  return outcome(result, libtestCounts(result.output))
}

/** Licences, bans and sources; the advisories' database is fetched, so they are asked for by hand. Nothing is installed. */
async function runDeny() {
  const deny = await command('cargo', ['deny', '--version'])
  if (deny.code !== 0) {
    const skipped = ['all of it, because cargo-deny is missing: cargo install cargo-deny --locked']
    return { passed: 0, failed: 0, skipped, output: '' }
  }
  const args = ['deny', '--locked', 'check', 'licenses', 'bans', 'sources']
  const result = await command('cargo', args, { timeout: TIMEOUT })
  return outcome(result, result.code === 0 ? { passed: 1 } : { failed: 1 })
}

async function runDocTests() {
  const result = await command('cargo', ['test', '--doc', '--package', 'udsock'], { timeout: TIMEOUT })
  return outcome(result, libtestCounts(result.output))
}

// In a container the checkout often belongs to another user, which git refuses to read unasked.
const git = (...args) => command('git', ['-c', `safe.directory=${root}`, ...args])

/** The loader and the types that the build writes are committed: a fresh build must give the same. */
async function runGenerated() {
  const files = ['binding.js', 'binding.d.ts', 'index.d.ts', 'Cargo.lock']
  if (!existsSync(join(root, '.git'))) {
    return { passed: 0, failed: 0, skipped: ['generated files, because this is no git checkout'], output: '' }
  }
  const tracked = await git('ls-files', '--error-unmatch', '--', ...files)
  const changed = await git('diff', '--exit-code', '--', ...files)
  const ok = tracked.code === 0 && changed.code === 0
  const advice =
    'The build changed files that are committed, or they are not committed: look at them and commit them.\n'
  const output = ok ? '' : [advice, tracked.code === 0 ? '' : tracked.output, changed.output].join('\n')
  return { passed: Number(ok), failed: Number(!ok), skipped: [], output }
}

/** Runs AVA, which `file` and `args` start, and counts on the way. */
async function runAva(file, args, options, onCount) {
  let seen = 0
  const onStdout = text => {
    seen += text.match(/^(?:not )?ok \d/gm)?.length ?? 0
    onCount(`${seen} tests`)
  }
  const result = await command(file, [...args, '--tap'], { ...options, timeout: TIMEOUT, onStdout })
  const passedLine = /^ok \d+ .*\n(?:# .*\n)*/gm
  return outcome({ ...result, output: result.output.replace(passedLine, '') }, tapCounts(result.stdout))
}

const ava = (name, args, env) => ({ name, run: onCount => runAva('ava', args, { env }, onCount) })

/** Peers that are not here are named, not passed. */
const benchmark = (name, ...args) => ({
  name,
  run: async () => {
    const result = await command(process.execPath, ['scripts/bench.js', '--quick', ...args], {
      timeout: TIMEOUT,
    })
    const skipped = [...result.stdout.matchAll(/^not measured: (.*)$/gm)].map(match => match[1])
    const counts = result.code === 0 ? { passed: 1 } : { failed: 1 }
    return outcome(result, { ...counts, skipped })
  },
})

const hasBenchmark = existsSync(join(root, 'benchmark')) && readdirSync(join(root, 'benchmark')).length > 0

const suites = [
  check('prettier', 'prettier', '--check', '--log-level', 'warn', '.'),
  check('rustfmt', 'cargo', 'fmt', '--all', '--check'),
  check('clippy', 'cargo', 'clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'),
  check('oxlint', 'oxlint'),
  check('types', 'tsc', '--noEmit'),
  { name: 'generated', run: runGenerated },
  { name: 'cargo', run: () => runCargo() },
  { name: 'doc', run: runDocTests },
  { name: 'deny', run: runDeny },
  check('fuzz', process.execPath, 'scripts/fuzz-frames.js', '--runs', '3000'),
  ava('ava', []),
  ava('doorbell', [], { UDSOCK_WAKER: 'doorbell' }),
  ava('interop', ['--config', 'interop/ava.config.js']),
]

if (hasBenchmark)
  suites.push(
    benchmark('bench', '--mixed'),
    benchmark('peers', '--peers', '--against', 'c,racket'),
    check('report', process.execPath, 'scripts/bench-report.js', '--check'),
  )

/** Minutes each, and only when asked for by name. */
const long = [ava('long', ['--config', '__test__/long/ava.config.js'])]
const leak = [ava('leak', ['--config', '__test__/leak/ava.config.js'])]
const runtimes = runtimeSuites(runAva)

/** Under the libraries that people run, which have a package of their own. */
async function runEcosystem(onCount) {
  const cwd = join(root, '__test__/ecosystem')
  onCount('npm install')
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  const installed = await command('npm', ['install', ...options], {
    cwd,
    timeout: TIMEOUT,
  })
  if (installed.code !== 0) return outcome(installed, {})
  return runAva('ava', ['--config', '__test__/ecosystem/ava.config.js'], {}, onCount)
}

const ecosystem = [{ name: 'ecosystem', run: runEcosystem }]

/** With the addon that has this feature, which the tests load by themselves. */
const featured = (name, feature, env) => ({
  name,
  run: async onCount => {
    onCount('cargo build')
    const built = await buildAddon(feature)
    if (built.code !== 0) return outcome(built, {})
    return runAva('ava', ['--config', `__test__/${feature}/ava.config.js`], { env }, onCount)
  },
})

/** System calls fail by rule: in the crates alone, then under the package. */
const faultsTests = ['--package', 'udsock', '--package', 'udsock-reactor']
const faultsFeatures = ['--features', 'udsock/faults,udsock-reactor/faults', '--test', 'faults']
const lintFaults = ['clippy', '--workspace', '--all-targets', '--features', 'udsock-node/faults', '--quiet']
const faults = [
  check('faults-lint', 'cargo', ...lintFaults, '--', '-D', 'warnings'),
  { name: 'faults-rust', run: () => runCargo([...faultsTests, ...faultsFeatures], []) },
  featured('faults', 'faults', {}),
]

const panics = [
  featured('panics', 'panics', {}),
  featured('panics doorbell', 'panics', { UDSOCK_WAKER: 'doorbell' }),
]

/** What threads share, in every order in which they can meet. The flag goes to all crates, so they have a folder of their own. */
async function runLoom() {
  const args = ['test', '--package', 'udsock-reactor', '--lib', '--target-dir', 'target/loom', 'models']
  const result = await command('cargo', args, { env: { RUSTFLAGS: '--cfg loom' }, timeout: TIMEOUT })
  return outcome(result, libtestCounts(result.output))
}

const loom = [{ name: 'loom', run: runLoom }]
const asan = [asanSuite(runAva)]

const tools = [
  check('fuzz-address', process.execPath, 'scripts/fuzz-address.js', '--runs', '1000000'),
  miriSuite(outcome, libtestCounts),
  valgrindSuite,
]

const byName = { default: suites, long, leak, ecosystem, faults, panics, loom, asan, tools, runtimes }

/** Names for several suites. */
export const groups = { ...byName, all: Object.values(byName).flat() }
