// The addon under valgrind, in the installed Node: what `npm run test:valgrind` runs. Unlike AddressSanitizer, valgrind reports
// reads of uninitialized memory, also by the kernel.
import { join } from 'node:path'
import { command } from './command.js'
import { Instrumented, wakers } from './instrumented.js'
import { checked, skipped, Tally } from './outcome.js'

/** How many frames from the top of its stack make a finding the addon's. Below them are Node's own calls. */
const NEAR = 8

/** Returns the findings of a report that are the addon's; V8's compiled code and Node cause some, too. */
function findingsOfAddon(report) {
  const text = report.replace(/^==\d+== ?/gm, '')
  const blocks = text.split(/\n\s*\n/).filter(block => /^\s+(?:at|by) 0x/m.test(block))
  return blocks.filter(block => {
    const stack = block.split('\n').filter(line => /^\s+(?:at|by) 0x/.test(line))
    return stack.slice(0, NEAR).some(line => /udsock/.test(line))
  })
}

/** One check for each waker: the traffic ended well, and valgrind found nothing in the addon. */
async function run(onCount) {
  if (process.platform !== 'linux') return skipped('all of it: needs Linux')
  if ((await command('valgrind', ['--version'])).code !== 0) return skipped('all of it: valgrind is missing')
  const instrumented = new Instrumented('valgrind')
  onCount('building')
  const built = await instrumented.build()
  if (built.code !== 0) return checked(built)
  // V8 writes code over other code (--smc-check); valgrind runs one thread at a time, in turn.
  const options = ['--smc-check=all-non-file', '--fair-sched=yes', '--num-callers=20', '--error-limit=no']
  const leaks = ['--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite']
  const log = `--log-file=${join(instrumented.reports, '%p')}`
  const launcher = ['valgrind', ...options, ...leaks, log]
  const tally = new Tally()
  for (const waker of wakers) {
    onCount(waker)
    const { code, output, complete, reports } = await instrumented.traffic(waker, ['1'], { launcher })
    const ended = code === 0 && complete && reports.some(text => text.includes('ERROR SUMMARY'))
    const findings = reports.flatMap(findingsOfAddon)
    tally.check(waker, ended && findings.length === 0, [ended ? '' : output, ...findings].join('\n\n'))
  }
  return tally
}

export const valgrindSuite = { name: 'valgrind', run }
