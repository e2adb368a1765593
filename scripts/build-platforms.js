// `npm run build:platforms [-- NAME...]`: the addon of each platform, built on this machine with zig as compiler and linker, into
// target/platforms/<target>/ and npm/<name>/, and checked. `--check` only checks what is there. A platform or tool that cannot be
// had is named, and the rest goes on; the exit code is 1 if something failed to build or is not what it must be.
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkAddon } from './binaries.js'
import { command, root } from './command.js'
import { addonOf, builtAddon, platforms } from './platforms.js'

const TIMEOUT = 20 * 60_000
const home = join(root, 'target/platforms')
/** From PyPI, because neither is compiled then. The folder's name has the versions, so that a new pin is installed. */
const pinned = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']
const tools = join(home, 'tools', pinned.join('+').replaceAll('==', '-'))

export const zig = join(tools, 'ziglang/zig')

/** Returns the last line that says something. */
const reason = ({ output }) => output.trim().split('\n').at(-1)

/** Installs zig and cargo-zigbuild into a folder of their own. Throws an error that says what is missing. */
async function installTools(log) {
  if (existsSync(tools)) return
  log('installing zig and cargo-zigbuild')
  const unfinished = `${tools}.part`
  rmSync(unfinished, { recursive: true, force: true })
  const options = ['--quiet', '--disable-pip-version-check', '--no-input', '--only-binary', ':all:']
  const args = ['-m', 'pip', 'install', ...options, '--target', unfinished, ...pinned]
  const installed = await command('python3', args, { timeout: TIMEOUT })
  if (installed.code !== 0)
    throw new Error(`pip cannot install ${pinned.join(' and ')}: ${reason(installed)}`)
  renameSync(unfinished, tools)
}

/** Returns the environment in which cargo finds zig. One job, because the machine is not only there for this. */
const zigEnvironment = () => ({
  CARGO_ZIGBUILD_ZIG_PATH: zig,
  CARGO_BUILD_JOBS: process.env.CARGO_BUILD_JOBS ?? '1',
  PATH: [join(tools, 'bin'), join(root, 'node_modules/.bin'), process.env.PATH].join(':'),
})

/** Builds a platform's addon. Returns what stood in the way, or undefined. */
async function build(platform, log) {
  const { name, target, glibc } = platform
  // Its C library is Google's, which only the NDK has: the release's workflow builds it there.
  if (platform.os === 'android') return { missing: 'needs the Android NDK' }
  const added = await command('rustup', ['target', 'add', target], { timeout: TIMEOUT })
  if (added.code !== 0) return { missing: `rustup cannot add ${target}: ${reason(added)}` }
  log('building')
  const output = join(home, target)
  rmSync(output, { recursive: true, force: true })
  mkdirSync(output, { recursive: true })
  const manifest = 'crates/udsock-node/Cargo.toml'
  const paths = ['--manifest-path', manifest, '--target-dir', join(home, 'build'), '--output-dir', output]
  const versioned = glibc === undefined ? target : `${target}.${glibc}`
  const options = ['--cross-compile', '--platform', '--release', '--no-js', '--target', versioned]
  const args = ['build', ...options, ...paths, '--', '--locked']
  const built = await command('napi', args, { env: zigEnvironment(), timeout: TIMEOUT })
  if (built.code !== 0) return { failed: built.output }
  copyFileSync(builtAddon(platform), join(root, 'npm', name, addonOf(platform)))
  return undefined
}

/** Builds and checks; one line per platform goes to `log`. Returns whether nothing failed. */
export async function buildPlatforms({ names = [], checkOnly = false, log = console.log } = {}) {
  const chosen = platforms.filter(
    ({ name, target }) => names.length === 0 || [name, target].some(each => names.includes(each)),
  )
  const unknown = names.filter(each => !platforms.some(({ name, target }) => [name, target].includes(each)))
  if (unknown.length > 0) {
    log(`no such platform: ${unknown.join(', ')}; there are ${platforms.map(({ name }) => name).join(', ')}`)
    return false
  }
  if (!checkOnly) {
    try {
      await installTools(log)
    } catch (error) {
      log(`nothing can be built: ${error.message}`)
      return false
    }
  }

  let ok = true
  for (const platform of chosen) {
    const say = text => log(`${platform.name}: ${text}`)
    const problem = checkOnly ? undefined : await build(platform, say)
    if (problem?.missing !== undefined) say(`not built: ${problem.missing}`)
    else if (problem !== undefined) {
      ok = false
      say(`failed to build\n${problem.failed}`)
    } else if (existsSync(builtAddon(platform))) {
      const { faults, facts } = await checkAddon(builtAddon(platform), platform)
      ok &&= faults.length === 0
      say([...faults.map(fault => `WRONG: ${fault}`), ...facts].join('; '))
    } else say('not built')
  }
  return ok
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2)
  const names = args.filter(each => !each.startsWith('-'))
  const ok = await buildPlatforms({ names, checkOnly: args.includes('--check') })
  process.exitCode = Number(!ok)
}
