// The addon under AddressSanitizer and LeakSanitizer, in the installed Node: what `npm run test:asan` runs.
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { command } from './command.js'
import { Instrumented, wakers } from './instrumented.js'
import { checked, skipped, Tally } from './outcome.js'
import { runAva } from './runners.js'

/** Returns the path of gcc's runtime, which LD_PRELOAD brings into Node, or undefined where it is not installed. */
async function runtime() {
  const { code, stdout } = await command('gcc', ['-print-file-name=libasan.so'])
  const file = stdout.trim()
  return code === 0 && isAbsolute(file) && existsSync(file) ? file : undefined
}

/** Each process with a finding writes a file, whatever its exit code is. */
function environment(library, reports, leaks) {
  const options = [`detect_leaks=${leaks}`, `log_path=${join(reports, leaks ? 'leak' : 'error')}`]
  return { LD_PRELOAD: library, ASAN_OPTIONS: [...options, 'malloc_context_size=20'].join(':') }
}

/**
 * Returns the leaks of memory that the addon's own code allocated. A process that exits leaves V8's heap and much else of
 * Node's; a suppression by function would hide the addon's leaks too, because Node is at the bottom of every stack.
 */
function leaksOfAddon(report) {
  const blocks = report.split('\n\n').filter(block => /^(?:Direct|Indirect) leak of /m.test(block))
  return blocks.filter(block => {
    const stack = block.split('\n').filter(line => /^\s+#\d+ /.test(line))
    return stack.slice(1, 5).some(line => /udsock_(?:node|reactor)|6udsock|udsock\.node/.test(line))
  })
}

/** Traffic on a waker: one check for errors, one for leaks. */
async function checkTraffic(tally, waker, instrumented, errors, leaks) {
  const ran = await instrumented.traffic(waker, ['10', 'exit'], { env: errors })
  const clean = ran.code === 0 && ran.reports.length === 0
  tally.check(`traffic (${waker})`, clean, [ran.output, ...ran.reports].join('\n'))
  // The exit code says only that Node leaks. The program ends by itself, because process.exit() frees nothing of the main thread.
  const leaking = await instrumented.traffic(waker, ['2'], { env: leaks })
  const found = leaking.reports.filter(text => text.includes('LeakSanitizer'))
  const ours = found.flatMap(leaksOfAddon)
  const complete = leaking.complete && found.length > 0
  const output = [complete ? '' : leaking.output, ...ours].join('\n\n')
  tally.check(`leaks (${waker})`, complete && ours.length === 0, output)
}

/** Checks that the addon is instrumented, then traffic on each waker, then specs and the reports of their processes. */
async function run(onCount) {
  if (process.platform !== 'linux' || process.arch !== 'x64') return skipped('all of it: needs Linux on x64')
  const library = await runtime()
  if (library === undefined) return skipped("all of it: gcc's libasan is missing")
  const instrumented = new Instrumented('asan')
  onCount('building')
  // A stable compiler takes this unstable flag only with RUSTC_BOOTSTRAP.
  const flags = { RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Zsanitizer=address' }
  const built = await instrumented.build({ target: 'x86_64-unknown-linux-gnu', env: flags })
  if (built.code !== 0) return checked(built)

  const { addon, reports } = instrumented
  const tally = new Tally()
  onCount('traffic')
  const bare = await command(process.execPath, ['--input-type=module', '--eval', "import './binding.cjs'"], {
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: addon },
  })
  tally.check('the addon is not instrumented', /undefined symbol: __asan_/.test(bare.output), bare.output)
  const errors = environment(library, reports, 0)
  const leaks = environment(library, reports, 1)
  for (const waker of wakers) await checkTraffic(tally, waker, instrumented, errors, leaks)

  instrumented.discardReports()
  tally.add(await runAva({ group: 'asan', env: { ...errors, UDSOCK_ADDON: addon } }, onCount))
  const written = instrumented.written()
  tally.check('reports of the specs', written.length === 0, written.join('\n'))
  return tally
}

export const asanSuite = { name: 'asan', run }
