// The suite `prose`: the spelling of comments, texts and names, by `typos` and its configuration in `_typos.toml`.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'
import { checked, skipped } from './outcome.js'

// Where `.ci/run` installs it: a package of PyPI, apart from what the system has.
const folder = join('target', 'python', 'typos')

/** Returns the program to run, or undefined if there is none. Installs nothing. */
async function typos() {
  const installed = join(root, folder, 'bin', 'typos')
  if (existsSync(installed)) return installed
  const { code } = await command('typos', ['--version'])
  return code === 0 ? 'typos' : undefined
}

async function run() {
  const program = await typos()
  if (program === undefined)
    return skipped(`all of it: typos is missing: python3 -m pip install --target ${folder} typos`)
  return checked(await command(program, ['--format', 'brief']))
}

export const proseSuite = { name: 'prose', run }
