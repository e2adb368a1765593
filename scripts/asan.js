// The addon under AddressSanitizer and LeakSanitizer, in the Node that is here: what `npm run test:asan` runs.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { command, root } from './command.js'

const target = 'x86_64-unknown-linux-gnu'
const folder = join(root, 'target', 'asan')
const addon = join(folder, 'udsock.node')
const reports = join(folder, 'reports')
const BUILD_TIMEOUT = 15 * 60_000
const RUN_TIMEOUT = 5 * 60_000

/** An instrumented debug build: its stacks have names and lines. */
async function build() {
  const args = ['build', '--package', 'udsock-node', '--target', target, '--target-dir', folder]
  // The switch is an unstable one, which a stable compiler takes only so.
  const env = { RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Zsanitizer=address' }
  const built = await command('cargo', args, { env, timeout: BUILD_TIMEOUT })
  if (built.code !== 0) return built
  rmSync(addon, { force: true })
  copyFileSync(join(folder, target, 'debug', 'libudsock_node.so'), addon)
  return built
}

/** gcc's runtime, which goes into Node by LD_PRELOAD; undefined where there is none. */
async function runtime() {
  const { code, stdout } = await command('gcc', ['-print-file-name=libasan.so'])
  const file = stdout.trim()
  return code === 0 && isAbsolute(file) && existsSync(file) ? file : undefined
}

/** Every process that finds something writes a file of its own, whatever becomes of its exit code. */
function environment(library, leaks) {
  const options = [`detect_leaks=${leaks}`, `log_path=${join(reports, leaks ? 'leak' : 'error')}`]
  return { LD_PRELOAD: library, ASAN_OPTIONS: [...options, 'malloc_context_size=20'].join(':') }
}

const written = () => readdirSync(reports).map(file => readFileSync(join(reports, file), 'utf8'))

function emptied(directory) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory)
}

/**
 * Leaks that the addon's code asked for itself. A process that exits leaves V8's heap and much else of Node's; a
 * suppression by function would take the addon's along, because Node is at the bottom of every stack.
 */
export function leaksOfAddon(report) {
  const blocks = report.split('\n\n').filter(block => /^(?:Direct|Indirect) leak of /m.test(block))
  return blocks.filter(block => {
    const stack = block.split('\n').filter(line => /^\s+#\d+ /.test(line))
    return stack.slice(1, 5).some(line => /udsock_(?:node|reactor)|6udsock|udsock\.node/.test(line))
  })
}

async function traffic(env, rounds, ...ending) {
  const program = ['__test__/programs/traffic.js', String(rounds), ...ending]
  return command(process.execPath, program, {
    env: { ...env, NAPI_RS_NATIVE_LIBRARY_PATH: addon },
    timeout: RUN_TIMEOUT,
  })
}

const skip = reason => ({ passed: 0, failed: 0, skipped: [reason], output: '' })

/**
 * One count each: that the addon is instrumented; on each waker the traffic without an error, and without a leak of the
 * addon's; then the specs, and that no process of theirs reported anything.
 */
async function run(runAva, onCount) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return skip('all of it: it wants Linux on x64')
  const library = await runtime()
  if (library === undefined) return skip("all of it: gcc's libasan is missing")
  onCount('building')
  mkdirSync(folder, { recursive: true })
  const built = await build()
  if (built.code !== 0) return { passed: 0, failed: 1, skipped: [], output: built.output }

  const outcome = { passed: 0, failed: 0, skipped: [], output: '' }
  const note = (what, ok, output) => {
    outcome[ok ? 'passed' : 'failed'] += 1
    if (!ok) outcome.output += `${what}:\n${output}\n`
  }
  onCount('traffic')
  const bare = await command(process.execPath, ['--input-type=module', '--eval', "import './binding.js'"], {
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: addon },
  })
  note('the addon is not instrumented', /undefined symbol: __asan_/.test(bare.output), bare.output)
  const errors = environment(library, 0)
  for (const waker of ['libuv', 'doorbell']) {
    emptied(reports)
    const choice = { UDSOCK_WAKER: waker === 'doorbell' ? waker : '' }
    const ran = await traffic({ ...errors, ...choice }, 10, 'exit')
    note(
      `traffic (${waker})`,
      ran.code === 0 && written().length === 0,
      [ran.output, ...written()].join('\n'),
    )
    // Its exit code says only that Node leaks. It ends by itself, because process.exit() frees nothing of the main thread's.
    const leaking = await traffic({ ...environment(library, 1), ...choice }, 2)
    const found = written().filter(text => text.includes('LeakSanitizer'))
    const ours = found.flatMap(leaksOfAddon)
    const complete = leaking.stdout.includes('"workers"') && found.length > 0
    note(
      `leaks (${waker})`,
      complete && ours.length === 0,
      [complete ? '' : leaking.output, ...ours].join('\n\n'),
    )
  }

  emptied(reports)
  const args = ['--config', '__test__/asan/ava.config.js']
  const specs = await runAva('ava', args, { env: { ...errors, UDSOCK_ADDON: addon } }, onCount)
  note('reports of the specs', written().length === 0, written().join('\n'))
  return {
    passed: outcome.passed + specs.passed,
    failed: outcome.failed + specs.failed,
    skipped: specs.skipped,
    output: outcome.output + specs.output,
  }
}

/** The suite; `runAva(program, args, options, onCount)` runs AVA and counts. */
export const asanSuite = runAva => ({ name: 'asan', run: onCount => run(runAva, onCount) })
