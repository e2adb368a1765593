// The suites of `npm test`, in order, and the groups that name several of them. A suite is { name, run }; `run` reports its
// progress to a callback and returns an outcome, as outcome.js has it.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compareAll } from '../drop-in/harness.js'
import { buildAddon } from './addon.js'
import { asanSuite } from './asan.js'
import { command, root } from './command.js'
import { packageSuite, rustdocSuite } from './crates.js'
import { miriSuite } from './miri.js'
import { checked, skipped } from './outcome.js'
import { longPackagingSuite, packagingSuite } from './packaging.js'
import { everyPlatform, platformsSuite } from './platform-tests.js'
import { proseSuite } from './prose.js'
import { installPythonServers } from './python.js'
import { releaseSuite } from './release.js'
import { check, runAva, runCargo, runLibtest, TIMEOUT } from './runners.js'
import { runtimeSuites } from './runtimes.js'
import { leftOut, selection } from './shortcut.js'
import { siteSuite } from './site.js'
import { targetsSuite } from './targets.js'
import { typesAll, typesMatrix } from './types.js'
import { valgrindSuite } from './valgrind.js'
import { workflowsSuite } from './workflows.js'

/** Licences, bans and sources. Advisories need a download, so only `npm run deny` checks them. Nothing is installed. */
async function runDeny() {
  const deny = await command('cargo', ['deny', '--version'])
  if (deny.code !== 0) return skipped('all of it: cargo-deny is missing: cargo install cargo-deny --locked')
  const args = ['deny', '--locked', 'check', 'licenses', 'bans', 'sources']
  return checked(await command('cargo', args, { timeout: TIMEOUT }))
}

// In a container the checkout often belongs to another user; git refuses to read it without this option.
const git = (...args) => command('git', ['-c', `safe.directory=${root}`, ...args])

/** Checks that the committed loader and types are what a fresh build writes. */
async function runGenerated() {
  const files = ['binding.cjs', 'binding.d.cts', 'index.d.ts', 'Cargo.lock']
  if (!existsSync(join(root, '.git'))) return skipped('generated files: this is not a git checkout')
  const tracked = await git('ls-files', '--error-unmatch', '--', ...files)
  const changed = await git('diff', '--exit-code', '--', ...files)
  const failed = [tracked, changed].filter(({ code }) => code !== 0).map(({ output }) => output)
  const advice = 'The build changed committed files, or they are not committed: review and commit them.'
  return checked({ code: failed.length, output: [advice, ...failed].join('\n') })
}

const ava = (name, options) => ({ name, run: onCount => runAva(options, onCount) })

/** Sockets without the writer's shortcut. */
const plainWriter = {
  name: 'plain-writer',
  run: async onCount => {
    const options = { args: selection, env: { UDSOCK_WITHOUT_SHORTCUT: '1' } }
    const result = await runAva(options, onCount)
    return { ...result, skipped: [...leftOut, ...result.skipped] }
  },
}

/** Not so while it polls. docs/polling.md says so. */
const inPolls = "*'close' comes after the immediates queued at destroy(): in its 'data'*"

/** The same specs with adaptive polling forced. */
const polling = when => ({
  name: `polling-${when}`,
  run: async onCount => {
    const args = [
      ...selection,
      '!__test__/socket/adaptive-polling.spec.ts',
      ...(when === 'always' ? [`--match=!${inPolls}`] : []),
    ]
    const result = await runAva({ args, env: { UDSOCK_BUSY_POLL: when } }, onCount)
    const own = 'socket/adaptive-polling (it tests the decision that is forced)'
    const order =
      when === 'always'
        ? [`${inPolls} (a poll runs in an immediate, and those queued in it come in the next turn)`]
        : []
    return { ...result, skipped: [...leftOut, own, ...order, ...result.skipped] }
  },
})

/** A short benchmark. Peers that are not installed are named, not passed. */
const benchmark = (name, ...args) => ({
  name,
  run: async () => {
    const all = ['scripts/bench.js', '--quick', ...args]
    const result = await command(process.execPath, all, { timeout: TIMEOUT })
    const missing = [...result.stdout.matchAll(/^not measured: (.*)$/gm)].map(match => match[1])
    return { ...checked(result), skipped: missing }
  },
})

const hasBenchmark = existsSync(join(root, 'benchmark')) && readdirSync(join(root, 'benchmark')).length > 0

/** The part of the crate without tokio: the workspace's features would hide what is missing in it. */
const lintPlain = ['clippy', '--package', 'udsock', '--no-default-features', '--quiet']

const suites = [
  check('prettier', 'prettier', '--check', '--log-level', 'warn', '.'),
  check('rustfmt', 'cargo', 'fmt', '--all', '--check'),
  check('clippy', 'cargo', 'clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'),
  check('clippy-no-tokio', 'cargo', ...lintPlain, '--', '-D', 'warnings'),
  targetsSuite,
  check('oxlint', 'oxlint'),
  proseSuite,
  check('types', 'tsc', '--noEmit'),
  typesMatrix,
  { name: 'generated', run: runGenerated },
  { name: 'cargo', run: () => runCargo() },
  { name: 'doc', run: () => runLibtest(['test', '--doc', '--package', 'udsock']) },
  rustdocSuite,
  packageSuite,
  packagingSuite,
  { name: 'deny', run: runDeny },
  check('fuzz', process.execPath, 'scripts/fuzz-frames.js', '--runs', '3000'),
  ava('ava', {}),
  ava('doorbell', { env: { UDSOCK_WAKER: 'doorbell' } }),
  plainWriter,
  polling('always'),
  polling('never'),
  ava('interop', { group: 'interop' }),
]

if (hasBenchmark)
  suites.push(
    benchmark('bench', '--mixed'),
    benchmark('peers', '--peers', '--against', 'c,c-polling,racket'),
    benchmark('messages', '--messages', '--against', 'c,framed-socket'),
    check('report', process.execPath, 'scripts/bench-report.js', '--check'),
  )

/** Suites of some minutes each, which run only by name. */
const long = [ava('long', { group: 'long' })]
const leak = [ava('leak', { group: 'leak' })]

/** Popular libraries over our sockets; they have a package of their own. */
async function runEcosystem(onCount) {
  const cwd = join(root, '__test__/ecosystem')
  onCount('npm install')
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  const installed = await command('npm', ['install', ...options], {
    cwd,
    timeout: TIMEOUT,
  })
  if (installed.code !== 0) return checked(installed)
  onCount('pip install')
  await installPythonServers()
  return runAva({ group: 'ecosystem' }, onCount)
}

/** The bounded part of `npm run test:peers`. */
async function runDropIn(onCount) {
  const { version: _, ...result } = await compareAll({ quick: true, onCount })
  return result
}

const ecosystem = [
  { name: 'ecosystem', run: runEcosystem },
  { name: 'drop-in', run: runDropIn },
]

/** What users get, before they get it. */
const shipping = [workflowsSuite, releaseSuite]

/** Tests that load an addon built with `feature`. */
const featured = (name, feature, env) => ({
  name,
  run: async onCount => {
    onCount('cargo build')
    const built = await buildAddon(feature)
    if (built.code !== 0) return checked(built)
    return runAva({ group: feature, env }, onCount)
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

/** Models of the code that threads share, in every interleaving. The flag applies to all crates, so loom has a target folder of its own. */
async function runLoom() {
  const args = ['test', '--package', 'udsock-reactor', '--lib', '--target-dir', 'target/loom', 'models']
  return runLibtest(args, { RUSTFLAGS: '--cfg loom' })
}

const loom = [{ name: 'loom', run: runLoom }]
const asan = [asanSuite]

const tools = [
  check('fuzz-address', process.execPath, 'scripts/fuzz-crate.js', 'address', '--runs', '1000000'),
  check('fuzz-control', process.execPath, 'scripts/fuzz-crate.js', 'control', '--runs', '1000000'),
  check('fuzz-datagram', process.execPath, 'scripts/fuzz-crate.js', 'datagram', '--runs', '500000'),
  miriSuite,
  valgrindSuite,
  siteSuite,
]

const byName = {
  default: suites,
  long,
  leak,
  ecosystem,
  faults,
  panics,
  loom,
  asan,
  tools,
  shipping,
  platforms: [platformsSuite],
  runtimes: runtimeSuites,
}

/** Groups whose parts the other groups have. */
const longer = {
  'packaging-long': [longPackagingSuite],
  'every-platform': everyPlatform,
  'types-all': [typesAll],
}

/** The suites of each group, by its name. */
export const groups = { ...byName, ...longer, all: Object.values(byName).flat() }
