// Suites about the platforms' addons. `platforms` is part of the gate: npm/, what is built, and musl: the crates' tests, and the
// addon in a Node. The others build everything and run it, on musl and on an emulated arm64: `npm run test:platforms`.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkAddon } from './binaries.js'
import { buildPlatforms } from './build-platforms.js'
import { command, root } from './command.js'
import { emulatedNode, emulatorLimits, findEmulator } from './emulated.js'
import { muslNode } from './musl.js'
import { checked, skipped, Tally } from './outcome.js'
import { addonOf, builtAddon, differences, platforms } from './platforms.js'
import { runAva, runLibtest } from './runners.js'

const crates = ['--package', 'udsock', '--package', 'udsock-reactor']
const folder = join(root, 'target/platforms/tests')

/** Runs the crates' tests against a target, or reports what is missing. */
async function runCrates(target, env) {
  const added = await command('rustup', ['target', 'add', target], { timeout: 5 * 60_000 })
  if (added.code !== 0) return skipped(`the crates' tests on ${target}: rustup cannot add it`)
  const args = ['test', '--no-fail-fast', '--tests', '--target', target, '--target-dir', folder, ...crates]
  return runLibtest(args, env)
}

/** Returns the addons that are there: of `npm run build:platforms`, and the host's own, which promises no glibc but this machine's. */
function presentAddons() {
  const built = platforms.map(platform => ({ platform, file: builtAddon(platform) }))
  const own = platforms.map(platform => ({
    platform: { ...platform, glibc: undefined },
    file: join(root, addonOf(platform)),
  }))
  return [...built, ...own].filter(({ file }) => existsSync(file))
}

async function run(onCount) {
  const tally = new Tally()
  const found = await differences()
  tally.check('npm/: write it by `node scripts/platforms.js`', found.length === 0, found.join('\n'))

  tally.add(await runMuslAddon(onCount))
  const missing = platforms.filter(platform => !existsSync(builtAddon(platform))).map(({ name }) => name)
  if (missing.length > 0)
    tally.add(skipped(`addons that \`npm run build:platforms\` has not built: ${missing.join(', ')}`))
  const { code } = await command('readelf', ['--version'])
  if (code !== 0) tally.add(skipped('what the addons need: readelf is missing'))
  else
    for (const { platform, file } of presentAddons()) {
      const { faults } = await checkAddon(file, platform)
      tally.check(file, faults.length === 0, faults.join('\n'))
    }

  onCount('cargo test, musl')
  if (isMuslHost) tally.add(await runCrates('x86_64-unknown-linux-musl'))
  else tally.add(skipped('the crates against musl: this is not Linux on x64'))
  return tally
}

async function runBuild(onCount) {
  const lines = []
  const log = text => {
    lines.push(text)
    onCount(text.split('\n')[0].slice(0, 40))
  }
  const ok = await buildPlatforms({ log })
  return {
    ...checked({ code: Number(!ok), output: lines.join('\n') }),
    skipped: lines.filter(line => line.includes(': not built')),
  }
}

/** The crates' tests on arm64. musl's programs need no library, and rustc brings a linker for them. */
async function runEmulatedCrates() {
  const prefix = 'CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL'
  try {
    const emulator = await findEmulator()
    const env = {
      [`${prefix}_RUNNER`]: emulator,
      // Tests that start their own program again.
      UDSOCK_EMULATOR: emulator,
      [`${prefix}_LINKER`]: 'rust-lld',
      [`${prefix}_RUSTFLAGS`]: '-Clink-self-contained=yes -Clinker-flavor=ld.lld',
    }
    return await runCrates('aarch64-unknown-linux-musl', env)
  } catch (error) {
    return skipped(`all of it: ${error.message}`)
  }
}

/**
 * Specs on a platform's addon, in a Node that `start` makes and this system does not run by itself. AVA runs here, and starts its
 * workers in that Node. All main specs, or those of `args`.
 */
async function runSpecs(name, start, { args = [], onCount }) {
  const platform = platforms.find(each => each.name === name)
  const addon = builtAddon(platform)
  if (!existsSync(addon)) return skipped(`the specs: ${name} is not built`)
  try {
    onCount('installing')
    const { program, version } = await start()
    const env = { UDSOCK_NODE: program, NAPI_RS_NATIVE_LIBRARY_PATH: addon }
    return { ...(await runAva({ group: 'emulated', args, env }, onCount)), version }
  } catch (error) {
    return skipped(`the specs on ${name}: ${error.message}`)
  }
}

const smoke = ['__test__/smoke.spec.ts']
const isMuslHost = process.platform === 'linux' && process.arch === 'x64'

/** The addon for musl, built and used once: the bounded part of the specs on musl. */
async function runMuslAddon(onCount) {
  if (!isMuslHost) return skipped('the addon for musl: this is not Linux on x64')
  const lines = []
  onCount('building for musl')
  const ok = await buildPlatforms({ names: ['linux-x64-musl'], log: text => lines.push(text) })
  if (!ok && lines.some(line => line.startsWith('nothing can be built'))) return skipped(lines.at(-1))
  if (!ok) return checked({ code: 1, output: lines.join('\n') })
  return runSpecs('linux-x64-musl', () => muslNode('x64'), { args: smoke, onCount })
}

async function runMuslSpecs(onCount) {
  const tally = new Tally()
  if (!isMuslHost) return skipped('all of it: this is not Linux on x64')
  const { version, ...native } = await runSpecs('linux-x64-musl', () => muslNode('x64'), { onCount })
  tally.add(native)
  tally.add(await runSpecs('linux-arm64-musl', () => muslNode('arm64'), { args: smoke, onCount }))
  return { ...tally, version }
}

async function runEmulatedSpecs(onCount) {
  const result = await runSpecs('linux-arm64-gnu', emulatedNode, { onCount })
  if (result.passed > 0) {
    const limits = await emulatorLimits()
    result.skipped.push(...limits.map(limit => `the emulator cannot show ${limit}`))
  }
  return result
}

export const platformsSuite = { name: 'platforms', run }
export const everyPlatform = [
  { name: 'build-platforms', run: runBuild },
  platformsSuite,
  { name: 'emulated-crates', run: runEmulatedCrates },
  { name: 'musl', run: runMuslSpecs },
  { name: 'emulated', run: runEmulatedSpecs },
]
