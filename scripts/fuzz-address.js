// `npm run fuzz:address`: libFuzzer on the address codec, with AddressSanitizer.
//   --seconds N   how long, default 10          --runs N   instead: so many inputs
//   --seed S      libFuzzer's, default 1; an input that fails is kept in target/fuzz and named
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { command, root } from './command.js'

const target = 'x86_64-unknown-linux-gnu'
const folder = join(root, 'target', 'fuzz')
const BUILD_TIMEOUT = 10 * 60_000

/** As cargo-fuzz builds, with the compiler that is here: the switches are unstable ones. */
async function build() {
  const coverage = ['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares']
  const flags = [
    '--cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Cpasses=sancov-module',
    ...coverage.map(what => `-Cllvm-args=-sanitizer-coverage-${what}`),
  ]
  const env = { RUSTC_BOOTSTRAP: '1', RUSTFLAGS: flags.join(' ') }
  const args = ['build', '--release', '--locked', '--manifest-path', 'fuzz/Cargo.toml', '--bin', 'address']
  return command('cargo', [...args, '--target', target, '--target-dir', folder], {
    env,
    timeout: BUILD_TIMEOUT,
  })
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
})
const limit = values.runs === undefined ? `-max_total_time=${values.seconds}` : `-runs=${values.runs}`
const built = await build()
if (built.code === 0) {
  const corpus = join(folder, 'corpus')
  mkdirSync(corpus, { recursive: true })
  // Beyond the longest address of all, which a kernel's answer may be by its terminator.
  const options = [
    '-max_len=140',
    `-seed=${values.seed}`,
    `-artifact_prefix=${folder}/`,
    '-print_final_stats=1',
  ]
  const ran = await command(join(folder, target, 'release', 'address'), [...options, limit, corpus])
  const stats = ran.output.match(/^stat::number_of_executed_units.*|^#\d+\s+DONE.*/gm) ?? []
  console.log(ran.code === 0 ? stats.join('\n') : ran.output)
  process.exitCode = ran.code
} else {
  console.log(built.output)
  process.exitCode = built.code
}
