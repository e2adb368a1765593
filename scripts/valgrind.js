// The addon under valgrind, in the Node that is here: what `npm run test:valgrind` runs. Beside AddressSanitizer it sees what is
// read before it was written, also by the kernel.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const folder = join(root, 'target', 'valgrind')
const addon = join(folder, 'udsock.node')
const reports = join(folder, 'reports')
const BUILD_TIMEOUT = 15 * 60_000
const RUN_TIMEOUT = 10 * 60_000
// How far from the top of its stack a finding is the addon's: below that, it is what Node makes of a call.
const NEAR = 8

/** A debug build: its stacks have names and lines. */
async function build() {
  const args = ['build', '--package', 'udsock-node', '--target-dir', folder]
  const built = await command('cargo', args, { timeout: BUILD_TIMEOUT })
  if (built.code !== 0) return built
  rmSync(addon, { force: true })
  copyFileSync(join(folder, 'debug', 'libudsock_node.so'), addon)
  return built
}

/** The findings of a report that are the addon's: V8's compiled code and Node's own give some, too. */
export function findingsOfAddon(report) {
  const text = report.replace(/^==\d+== ?/gm, '')
  const blocks = text.split(/\n\s*\n/).filter(block => /^\s+(?:at|by) 0x/m.test(block))
  return blocks.filter(block => {
    const stack = block.split('\n').filter(line => /^\s+(?:at|by) 0x/.test(line))
    return stack.slice(0, NEAR).some(line => /udsock/.test(line))
  })
}

/** What of all that was to be run did: the report's end and the program's. */
async function traffic(waker) {
  rmSync(reports, { recursive: true, force: true })
  mkdirSync(reports, { recursive: true })
  // V8 writes code where other code was; one thread at a time has the lock, in turn.
  const options = ['--smc-check=all-non-file', '--fair-sched=yes', '--num-callers=20', '--error-limit=no']
  const leaks = ['--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite']
  const program = [process.execPath, '__test__/programs/traffic.js', '1']
  const { code, output, stdout } = await command(
    'valgrind',
    [...options, ...leaks, `--log-file=${join(reports, '%p')}`, ...program],
    {
      env: { UDSOCK_WAKER: waker === 'doorbell' ? waker : '', NAPI_RS_NATIVE_LIBRARY_PATH: addon },
      timeout: RUN_TIMEOUT,
    },
  )
  const written = readdirSync(reports).map(file => readFileSync(join(reports, file), 'utf8'))
  const complete =
    code === 0 && stdout.includes('"workers"') && written.some(text => text.includes('ERROR SUMMARY'))
  return { complete, output, findings: written.flatMap(findingsOfAddon) }
}

const skip = reason => ({ passed: 0, failed: 0, skipped: [reason], output: '' })

/** One count for each waker: the traffic came to its end, and nothing of the addon's was found. */
async function run(onCount) {
  if (process.platform !== 'linux') return skip('all of it: it wants Linux')
  if ((await command('valgrind', ['--version'])).code !== 0) return skip('all of it: valgrind is missing')
  onCount('building')
  mkdirSync(folder, { recursive: true })
  const built = await build()
  if (built.code !== 0 || !existsSync(addon))
    return { passed: 0, failed: 1, skipped: [], output: built.output }
  const outcome = { passed: 0, failed: 0, skipped: [], output: '' }
  for (const waker of ['libuv', 'doorbell']) {
    onCount(waker)
    const { complete, output, findings } = await traffic(waker)
    const ok = complete && findings.length === 0
    outcome[ok ? 'passed' : 'failed'] += 1
    if (!ok) outcome.output += [`${waker}:`, complete ? '' : output, ...findings, ''].join('\n\n')
  }
  return outcome
}

/** The suite. */
export const valgrindSuite = { name: 'valgrind', run }
