// The pure code of the crates under Miri, which knows of undefined behaviour: what `npm run test:miri` runs. System calls on
// sockets it cannot run; AddressSanitizer and valgrind look at those.
import { command } from './command.js'

const TIMEOUT = 20 * 60_000
// Modules that make no system call of their own.
const pure = {
  udsock: ['address::', 'backoff::', 'error::', 'sys::sockaddr::'],
  'udsock-reactor': ['id::', 'revocable::', 'table::'],
  'udsock-faults': ['plan::'],
}
// Two million slots: minutes there, and nothing that few slots have not.
const slow = ['a_full_table_refuses']

/** How cargo is asked for it: Miri is a component of nightly toolchains. Nothing is installed. */
async function miri() {
  for (const toolchain of [[], ['+nightly']]) {
    const { code } = await command('cargo', [...toolchain, 'miri', '--version'])
    if (code === 0) return [...toolchain, 'miri']
  }
  return undefined
}

/** The suite; `counts(output)` reads libtest's words, `outcome` makes a result of them. */
export const miriSuite = (outcome, counts) => ({
  name: 'miri',
  run: async onCount => {
    const base = await miri()
    if (base === undefined) {
      const reason =
        'all of it, because Miri is missing: rustup component add --toolchain nightly miri rust-src'
      return { passed: 0, failed: 0, skipped: [reason], output: '' }
    }
    const total = { passed: 0, failed: 0, skipped: [], output: '' }
    for (const [name, modules] of Object.entries(pure)) {
      onCount(name)
      const args = ['test', '--package', name, '--lib', '--target-dir', 'target/miri', '--', ...modules]
      const skips = slow.flatMap(test => ['--skip', test])
      const ran = await command('cargo', [...base, ...args, ...skips], { timeout: TIMEOUT })
      const { passed, failed, output } = outcome(ran, counts(ran.output))
      total.passed += passed
      total.failed += failed
      if (failed > 0) total.output += output
    }
    return total
  },
})
