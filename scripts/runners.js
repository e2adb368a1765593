// The programs that run tests, and how their output becomes counts.
import { command } from './command.js'
import { checked, outcome } from './outcome.js'

/** Milliseconds, twice what the slowest suite takes: only a hang reaches it. */
export const TIMEOUT = 15 * 60_000

/** A suite that is one check: the command's exit code. */
export const check = (name, file, ...args) => ({
  name,
  run: async () => checked(await command(file, args, { timeout: TIMEOUT })),
})

const title = line => line.replace(/^(?:not )?ok \d+ - | # SKIP$/g, '')

/** Counts of AVA's TAP. Its closing comments also count crashes and tests that never ran. */
function tapCounts(text) {
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
function nextestCounts(text) {
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
function libtestCounts(text) {
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

/** Runs `cargo test` with these arguments, which may begin with a toolchain. */
export async function runLibtest(args, env) {
  const result = await command('cargo', args, { env, timeout: TIMEOUT })
  return outcome(result, libtestCounts(result.output))
}

/** Runs the Rust tests of `packages`, with cargo-nextest where it is installed, and otherwise those that `targets` names. */
export async function runCargo(packages = ['--workspace'], targets = ['--tests']) {
  const nextest = await command('cargo', ['nextest', '--version'])
  if (nextest.code !== 0) return runLibtest(['test', '--no-fail-fast', ...targets, ...packages])
  const args = ['nextest', 'run', '--no-fail-fast', ...packages]
  const result = await command('cargo', args, { timeout: TIMEOUT })
  return outcome(result, nextestCounts(result.output))
}

const ownAva = [process.execPath, 'scripts/ava.js']

/**
 * Runs a group of AVA's tests and reports the number of finished tests to `onCount`. `ava` is the command that starts
 * scripts/ava.js; `env` and `cwd` are `command()`'s.
 */
export async function runAva({ group = 'unit', args = [], ava = ownAva, env, cwd }, onCount) {
  let seen = 0
  const onStdout = text => {
    seen += text.match(/^(?:not )?ok \d/gm)?.length ?? 0
    onCount(`${seen} tests`)
  }
  const [file, ...given] = [...ava, ...args, '--tap']
  const options = { cwd, env: { ...env, UDSOCK_TESTS: group }, timeout: TIMEOUT, onStdout }
  const result = await command(file, given, options)
  const passedLine = /^ok \d+ .*\n(?:# .*\n)*/gm
  return outcome({ ...result, output: result.output.replace(passedLine, '') }, tapCounts(result.stdout))
}
