// Set-up of `npm start`, `npm test` and `npm run bench`: the tools, the npm packages, a release build.
// This file must load on old versions of Node, so that it can print which version is needed.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { command, root } from './command.js'
import { row, timed } from './terminal.js'

export { root }

/** An error of set-up. Its message has the cause and the remedy. */
export class SetupError extends Error {}

const read = file => readFileSync(join(root, file), 'utf8')

const parse = version => version.split('.').map(Number)

function atLeast(version, minimum) {
  const [major, minor] = parse(version)
  const [wantedMajor, wantedMinor] = parse(minimum)
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

function checkNode() {
  const minimum = JSON.parse(read('package.json')).engines.node.replace('>=', '')
  if (atLeast(process.versions.node, minimum)) return
  throw new SetupError(
    `Node.js ${minimum} or later is needed, this is ${process.versions.node}: get one from https://nodejs.org`,
  )
}

/** Adds cargo's folder to PATH: a fresh rustup does so for the next login only. */
function findCargo() {
  const bin = join(process.env.CARGO_HOME || join(homedir(), '.cargo'), 'bin')
  if (existsSync(bin)) process.env.PATH = `${process.env.PATH}${delimiter}${bin}`
}

async function checkRust() {
  const minimum = /^rust-version = "([\d.]+)"/m.exec(read('Cargo.toml'))[1]
  const versions = []
  for (const tool of ['rustc', 'cargo']) {
    const { code, stdout, output } = await command(tool, ['--version'])
    const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0]
    if (code !== 0 || version === undefined) {
      throw new SetupError(
        `${tool} is missing: install Rust ${minimum} or later, see https://rustup.rs\n${output.trim()}`,
      )
    }
    if (!atLeast(version, minimum)) {
      throw new SetupError(
        `${tool} ${minimum} or later is needed, this is ${version}: \`rustup update\`, see https://rustup.rs`,
      )
    }
    versions.push(`${tool} ${version}`)
  }
  return versions.join(', ')
}

async function step(log, name, file, args) {
  const [{ code, output }, elapsed] = await timed(name, () => command(file, args))
  if (code !== 0) {
    throw new SetupError(`${name} failed: ${[file, ...args].join(' ')}\n\n${output.trim()}`)
  }
  log(row(name, 'done', elapsed))
}

/** Installs the npm packages unless node_modules was made from this lock file, for this platform. */
async function install(log) {
  const lockFile = read('package-lock.json')
  const hash = createHash('sha256').update(lockFile).digest('hex')
  const wanted = `${process.platform} ${process.arch} ${hash}\n`
  const stamp = join(root, 'node_modules', '.udsock-setup')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return

  // Explicit, because NODE_ENV=production would leave out the build tools, and `npm --silent test` would hide npm's errors.
  // Not `npm ci`, nor a lock file that may change: npm's versions disagree on the optional packages of other platforms in it.
  const options = ['--no-save', '--no-audit', '--no-fund', '--include=dev', '--loglevel=warn']
  await step(log, 'npm install', 'npm', ['install', ...options])
  writeFileSync(stamp, wanted)
}

/**
 * Checks the tools, installs the npm packages where needed, builds; one line per step goes to `log`.
 * UDSOCK_SKIP_BUILD=1 uses the present build. Throws SetupError.
 */
export async function prepare({ log = console.log } = {}) {
  checkNode()
  findCargo()
  const skipBuild = Boolean(process.env.UDSOCK_SKIP_BUILD)
  const rust = skipBuild ? 'build skipped (UDSOCK_SKIP_BUILD)' : await checkRust()
  log(`Setting up: node ${process.versions.node}, ${rust}`)
  await install(log)
  if (skipBuild) return
  await step(log, 'build native (release)', 'npm', ['run', '--loglevel=warn', 'build:native'])
  await step(log, 'build TypeScript', 'npm', ['run', '--loglevel=warn', 'build:ts'])
}

/** prepare(), but a failure is printed and ends the process with code 1. */
export async function setup(options) {
  try {
    await prepare(options)
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error)
    process.exit(1)
  }
}
