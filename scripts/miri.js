// The pure code of the crates under Miri, which reports undefined behaviour: what `npm run test:miri` runs. Miri cannot run
// system calls on sockets; AddressSanitizer and valgrind check those.
import { command } from './command.js'
import { skipped, Tally } from './outcome.js'
import { runLibtest } from './runners.js'

// Modules that make no system call of their own.
const pure = {
  udsock: ['address::', 'exhaustion::', 'error::', 'fault::', 'sys::sockaddr::'],
  'udsock-reactor': ['id::', 'revocable::', 'table::'],
}
// Two million slots take minutes under Miri, and few slots run the same code.
const slow = ['a_full_table_refuses']

/** Returns the arguments with which cargo runs Miri, or undefined. Miri is a component of nightly toolchains; nothing is installed. */
async function miri() {
  for (const toolchain of [[], ['+nightly']]) {
    const { code } = await command('cargo', [...toolchain, 'miri', '--version'])
    if (code === 0) return [...toolchain, 'miri']
  }
  return undefined
}

async function run(onCount) {
  const base = await miri()
  if (base === undefined)
    return skipped('all of it: Miri is missing: rustup component add --toolchain nightly miri rust-src')
  const tally = new Tally()
  const skips = slow.flatMap(test => ['--skip', test])
  for (const [name, modules] of Object.entries(pure)) {
    onCount(name)
    const args = ['test', '--package', name, '--lib', '--target-dir', 'target/miri', '--', ...modules]
    tally.add(await runLibtest([...base, ...args, ...skips]))
  }
  return tally
}

export const miriSuite = { name: 'miri', run }
