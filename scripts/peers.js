// Gets the peers of `npm run bench:peers` and `bench:messages`: programs and packages from npm, the C floor from the compiler.
import { mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { addonPeers } from '../benchmark/message-peers.js'
import { floorFile, runtimeSpecifiers } from '../benchmark/programs.js'
import { installAddonPeer } from './addon-peers.js'
import { command, root } from './command.js'
import { newestRelease } from './releases.js'

/** What the result calls the programs whose versions it records. Packages have their own names. */
const programs = { bun: 'Bun', deno: 'Deno', racket: 'racket', c: 'cc', 'c-polling': 'cc' }

const minutes = 60_000

class Missing extends Error {}

const lastLine = text => text.trim().split('\n').at(-1)

/** The first number with dots that a program prints about itself. */
async function versionOf(file, ...args) {
  const { code, output } = await command(file, args, { timeout: minutes })
  const version = /\d+(?:\.\d+)+/.exec(output)?.[0]
  if (code !== 0 || version === undefined) throw new Missing(`${file} does not run: ${lastLine(output)}`)
  return version
}

async function runtime(name, log) {
  const installing = newestRelease(runtimeSpecifiers[name], join('.bin', name))
  const { version, note } = await installing.catch(error => {
    throw new Missing(error.message)
  })
  if (note !== undefined) log(`  ${note}`)
  return version
}

async function racket() {
  const { code } = await command('racket', ['-l', 'racket/base', '-l', 'racket/unix-socket'], {
    timeout: minutes,
  })
  if (code !== 0) throw new Missing('racket with racket/unix-socket is not installed')
  return versionOf('racket', '--version')
}

async function floor() {
  if (process.platform !== 'linux') throw new Missing('it is written for Linux')
  const version = await versionOf('cc', '--version').catch(() => {
    throw new Missing('there is no C compiler: cc is not installed')
  })
  const directory = join(root, 'benchmark', 'floor')
  const sources = readdirSync(directory).filter(file => file.endsWith('.c'))
  mkdirSync(dirname(floorFile), { recursive: true })
  const options = [
    '-std=gnu11',
    '-D_GNU_SOURCE',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-pthread',
    '-o',
    floorFile,
  ]
  const { code, output } = await command('cc', [...options, ...sources.map(file => join(directory, file))], {
    timeout: minutes,
  })
  if (code !== 0) throw new Error(`the C floor does not compile:\n${output}`)
  return version
}

const addonPeer = (name, node) =>
  installAddonPeer(name, node).catch(error => {
    throw new Missing(error.message)
  })

const preparations = {
  bun: log => runtime('bun', log),
  deno: log => runtime('deno', log),
  racket,
  c: floor,
  'c-polling': floor,
  ...Object.fromEntries(addonPeers.map(name => [name, (_, node) => addonPeer(name, node)])),
}

/**
 * Prepares the peers of those names, for the Node.js `node` ({ program, version }). Returns the versions of the programs, and the reasons why
 * others are missing.
 */
export async function preparePeers(peers, names, node, log = console.log) {
  const unknown = names.filter(name => !(name in peers))
  if (unknown.length > 0)
    throw new Error(`no peer is called ${unknown.join(', ')} (there are: ${Object.keys(peers).join(', ')})`)
  const versions = {}
  const missing = {}
  for (const name of names.filter(known => known in preparations)) {
    const program = programs[name] ?? name
    try {
      const version = await preparations[name](log, node)
      versions[program] = version
      log(`  ${peers[name].title}: ${program} ${version}`)
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      missing[name] = error.message
      log(`  ${peers[name].title}: missing, ${error.message}`)
    }
  }
  return { versions, missing }
}
