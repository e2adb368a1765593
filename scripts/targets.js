// Whether the crates compile for systems that cannot run here: what `npm test -- targets` runs. Nothing is linked or run, so
// a target needs only its standard library.
import { command } from './command.js'
import { checked, skipped, Tally } from './outcome.js'

const TIMEOUT = 20 * 60_000
const DOWNLOAD = 5 * 60_000
const targets = ['x86_64-apple-darwin', 'x86_64-unknown-freebsd', 'aarch64-linux-android']

async function checkTarget(target) {
  const added = await command('rustup', ['target', 'add', target], { timeout: DOWNLOAD })
  if (added.code !== 0) return skipped(`${target}: "rustup target add" cannot install it`)
  const args = ['check', '--workspace', '--target', target, '--target-dir', 'target/targets']
  return checked(await command('cargo', args, { env: { RUSTFLAGS: '-D warnings' }, timeout: TIMEOUT }))
}

async function run(onCount) {
  const tally = new Tally()
  for (const target of targets) {
    onCount(target)
    tally.add(await checkTarget(target))
  }
  return tally
}

export const targetsSuite = { name: 'targets', run }
