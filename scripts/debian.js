// Debian's packages for programs that this system does not run by itself: unpacked into a folder, never installed.
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command } from './command.js'

const TIMEOUT = 10 * 60_000

const set = (name, value) => ['--option', `${name}=${value}`]

/**
 * Unpacks the packages `names` into `folder`. `source` is a line of sources.list; without it they come from this system's sources.
 * apt-get has lists of its own here, so this system's packages are not touched. Throws an error with apt-get's reason.
 */
export async function unpackPackages(folder, names, { architecture, source }) {
  const work = `${folder}.part`
  rmSync(work, { recursive: true, force: true })
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(work, name), { recursive: true })
  writeFileSync(join(work, 'state/status'), '')
  const options = [
    ...['APT::Architecture', 'APT::Architectures'].flatMap(name => set(name, architecture)),
    ...set('Dir::State', join(work, 'state')),
    ...set('Dir::State::status', join(work, 'state/status')),
    ...set('Dir::Cache', join(work, 'cache')),
  ]
  if (source !== undefined) {
    writeFileSync(join(work, 'sources.list'), `${source}\n`)
    options.push(
      ...set('Dir::Etc::sourcelist', join(work, 'sources.list')),
      ...set('Dir::Etc::sourceparts', '/dev/null'),
    )
  }
  for (const args of [['update'], ['download', ...names]]) {
    const result = await command('apt-get', [...options, '--quiet', ...args], { cwd: work, timeout: TIMEOUT })
    if (result.code !== 0)
      throw new Error(`apt-get has no ${names.join(', ')}: ${result.output.trim().split('\n').at(-1)}`)
  }
  const unpacked = join(work, 'unpacked')
  for (const name of readdirSync(work).filter(each => each.endsWith('.deb'))) {
    const { code, output } = await command('dpkg-deb', ['--extract', join(work, name), unpacked])
    if (code !== 0) throw new Error(output)
  }
  renameSync(unpacked, folder)
  rmSync(work, { recursive: true })
}

/** Writes a program that runs `words` and its own arguments, which must be a Node. Returns its version; throws if it does not start. */
export async function writeProgram(file, words) {
  writeFileSync(file, `#!/bin/sh\nexec ${words.map(word => `'${word}'`).join(' ')} "$@"\n`)
  chmodSync(file, 0o755)
  const version = await command(file, ['--version'], { timeout: 60_000 })
  if (version.code !== 0) throw new Error(`${file} does not start: ${version.output.trim()}`)
  return version.stdout.trim().slice(1)
}
