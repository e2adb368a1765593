// Packages from npm with an addon of their own, for `npm run bench:messages`: each in its newest release, built for the Node.js that runs it.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { addonFolder } from '../benchmark/libraries.js'
import { command } from './command.js'
import { newestVersion, npm, quiet } from './releases.js'

const LOAD_TIMEOUT = 60_000

/** Returns the environment in which npm and node-gyp run on `program`, and find its headers where a release has them. */
function environmentOf(program) {
  const bin = dirname(program)
  const home = dirname(bin)
  const env = { PATH: [bin, process.env.PATH].join(delimiter) }
  return existsSync(join(home, 'include', 'node', 'node.h')) ? { ...env, npm_config_nodedir: home } : env
}

/** Throws unless `program` loads the package. */
async function load(name, folder, program) {
  const { code, output } = await command(program, ['--eval', `require('${name}')`], {
    cwd: folder,
    timeout: LOAD_TIMEOUT,
  })
  const reason = /^\w*Error: .*$/m.exec(output)?.[0] ?? output.trim().split('\n').at(-1)
  if (code !== 0) throw new Error(`${name} does not load: ${reason}`)
}

/**
 * Installs the newest release of `name` for `program`, which is Node.js in `version`. Returns the release. Without the registry it is that of an
 * earlier run; throws if there is none, and if it cannot be built or loaded.
 */
export async function installAddonPeer(name, { program, version }) {
  const folder = addonFolder(name, version)
  const stamp = join(folder, 'installed')
  const current = existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined
  const newest = await newestVersion(name).catch(error => {
    if (current === undefined) throw error
    return current
  })
  if (current !== newest) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    const options = ['--prefix', folder, '--ignore-scripts=false', ...quiet]
    await npm(['install', ...options, `${name}@${newest}`], { env: environmentOf(program) })
    await load(name, folder, program)
    writeFileSync(stamp, newest)
  }
  return newest
}
