// `npm run fuzz:address`, `fuzz:control` and `fuzz:datagram`: libFuzzer on the address codec, on the parser of control messages, or on what a received
// datagram has beside its bytes, with AddressSanitizer. The first argument is the target.
//   --seconds N   how long, default 10          --runs N   instead: so many inputs
//   --seed S      libFuzzer's, default 1; an input that fails is kept in target/fuzz and named
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { command, root } from './command.js'

const target = 'x86_64-unknown-linux-gnu'
const folder = join(root, 'target', 'fuzz')
const BUILD_TIMEOUT = 10 * 60_000

/** The flags of cargo-fuzz. They are unstable ones, so a stable compiler needs RUSTC_BOOTSTRAP. */
async function build() {
  const coverage = ['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares']
  const flags = [
    '--cfg fuzzing -Zsanitizer=address -Cdebug-assertions -Cpasses=sancov-module',
    ...coverage.map(what => `-Cllvm-args=-sanitizer-coverage-${what}`),
  ]
  const env = { RUSTC_BOOTSTRAP: '1', RUSTFLAGS: flags.join(' ') }
  const args = ['build', '--release', '--locked', '--manifest-path', 'fuzz/Cargo.toml', '--bin', name]
  return command('cargo', [...args, '--target', target, '--target-dir', folder], {
    env,
    timeout: BUILD_TIMEOUT,
  })
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    runs: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
})
const limit = values.runs === undefined ? `-max_total_time=${values.seconds}` : `-runs=${values.runs}`
const [name] = positionals
/**
 * Bytes of the longest input: one byte beyond the longest address, for the terminator that a kernel may add; a few control messages; an address and
 * some control messages.
 */
const longest = { address: 140, control: 2048, datagram: 512 }[name]
const built = await build()
if (built.code === 0) {
  const corpus = join(folder, name === 'address' ? 'corpus' : `corpus-${name}`)
  mkdirSync(corpus, { recursive: true })
  const options = [
    `-max_len=${longest}`,
    `-seed=${values.seed}`,
    `-artifact_prefix=${folder}/`,
    '-print_final_stats=1',
  ]
  const ran = await command(join(folder, target, 'release', name), [...options, limit, corpus])
  const stats = ran.output.match(/^stat::number_of_executed_units.*|^#\d+\s+DONE.*/gm) ?? []
  console.log(ran.code === 0 ? stats.join('\n') : ran.output)
  process.exitCode = ran.code
} else {
  console.log(built.output)
  process.exitCode = built.code
}
