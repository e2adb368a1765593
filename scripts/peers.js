// Gets the peers of `npm run bench:peers`: Bun and Deno from npm into target/runtimes/, the C floor from the compiler.
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { peers } from '../benchmark/peers.js'
import { floorFile, runtimeFile } from '../benchmark/programs.js'
import { command, root } from './command.js'

/** Whose version it is that a result records. */
const programs = { bun: 'Bun', deno: 'Deno', racket: 'racket', c: 'cc' }

/** Exact versions, so that a figure can be had again. */
const packages = { bun: 'bun@1.4.5', deno: 'deno@2.9.6' }

const minutes = 60_000

class Missing extends Error {}

const lastLine = text => text.trim().split('\n').at(-1)

/** npm ends with where its log is, not with what went wrong. */
const npmError = text => /^npm error (?!(?:code|errno|syscall) )(.*)$/m.exec(text)?.[1] ?? lastLine(text)

/** The first number with dots that a program prints about itself. */
async function versionOf(file, ...args) {
  const { code, output } = await command(file, args, { timeout: minutes })
  const version = /\d+(?:\.\d+)+/.exec(output)?.[0]
  if (code !== 0 || version === undefined) throw new Missing(`${file} does not run: ${lastLine(output)}`)
  return version
}

async function runtime(name) {
  const file = runtimeFile(name)
  const wanted = packages[name].split('@').at(-1)
  const current = existsSync(file) ? await versionOf(file, '--version').catch(() => undefined) : undefined
  if (current === wanted) return wanted
  const directory = join(root, 'target', 'runtimes', name)
  mkdirSync(directory, { recursive: true })
  const options = ['--prefix', directory, '--no-audit', '--no-fund', '--no-package-lock', '--no-save']
  const { code, output } = await command('npm', ['install', ...options, packages[name]], {
    timeout: 10 * minutes,
  })
  if (code !== 0) throw new Missing(`npm could not install ${packages[name]}: ${npmError(output)}`)
  return versionOf(file, '--version')
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

const preparations = { bun: () => runtime('bun'), deno: () => runtime('deno'), racket, c: floor }

/** Makes the peers called `names` ready: the versions of the programs, and why the others are missing. */
export async function preparePeers(names, log = console.log) {
  const unknown = names.filter(name => !(name in peers))
  if (unknown.length > 0)
    throw new Error(`no peer is called ${unknown.join(', ')} (there are: ${Object.keys(peers).join(', ')})`)
  const versions = {}
  const missing = {}
  for (const name of names) {
    try {
      const version = await preparations[name]()
      versions[programs[name]] = version
      log(`  ${peers[name].title}: ${programs[name]} ${version}`)
    } catch (error) {
      if (!(error instanceof Missing)) throw error
      missing[name] = error.message
      log(`  ${peers[name].title}: missing, ${error.message}`)
    }
  }
  return { versions, missing }
}
