// The tests that packages bring in their tarballs, file by file on both sides.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from '../scripts/command.js'

const INSTALL_TIMEOUT = 10 * 60_000
const FILE_TIMEOUT = 60_000
/** How many files run at a time. */
const JOBS = 2
const npmOptions = [
  '--no-save',
  '--no-package-lock',
  '--no-audit',
  '--no-fund',
  '--ignore-scripts',
  '--loglevel=error',
]

/** Installs the newest version of a package, and of its `devDependencies` those that its tests load. Returns its folder. */
export async function installShipped({ package: name, without }) {
  const project = join(root, 'target', 'drop-in', name.replaceAll('/', '-'))
  const npm = async (...specifiers) => {
    const args = ['install', '--prefix', project, ...npmOptions, ...specifiers]
    const { code, output } = await command('npm', args, { timeout: INSTALL_TIMEOUT })
    if (code !== 0) throw new Error(output)
  }
  rmSync(project, { recursive: true, force: true })
  await npm(`${name}@latest`)
  const folder = join(project, 'node_modules', name)
  const { devDependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const wanted = Object.entries(devDependencies).filter(([other]) => !without.test(other))
  // The package itself again: npm would remove what it is not asked for.
  await npm(`${name}@latest`, ...wanted.map(([other, range]) => `${other}@${range}`))
  return folder
}

/** The results of one file by title: of its tests as node:test reports them, or of its exit code. */
async function runFile(side, { node, hook, folder }, file) {
  const env = { UDSOCK_DROP_IN: side, NODE_NO_WARNINGS: '1', NODE_ENV: 'test' }
  const args = ['--import', hook, '--test-reporter=tap', join(folder, file)]
  const result = await command(node, args, { cwd: folder, env, timeout: FILE_TIMEOUT })
  const outcomes = new Map()
  const parents = []
  for (const line of result.stdout.split('\n')) {
    const [, indent, not, title] = /^( *)(not )?ok \d+ - (.*)/.exec(line) ?? []
    const [, subIndent, subtest] = /^( *)# Subtest: (.*)/.exec(line) ?? []
    if (subtest !== undefined) {
      parents.length = subIndent.length / 4
      parents.push(subtest)
    }
    if (title === undefined) continue
    const place = [
      file,
      ...parents.slice(0, indent.length / 4),
      title.replace(/ # (?:SKIP|TODO).*/, ''),
    ].join(' > ')
    let unique = place
    for (let count = 2; outcomes.has(unique); count++) unique = `${place} (${count})`
    outcomes.set(unique, not === undefined ? 'ok' : 'not ok')
  }
  outcomes.set(file, result.code === 0 ? 'ok' : 'not ok')
  return { outcomes, output: result.output }
}

/** Compares every test that a package brings. Returns lists of titles, as `compare()` of the harness does. */
export async function compareShipped(entry, options) {
  const { tests, match } = entry
  const files = readdirSync(join(options.folder, tests), { recursive: true })
    .map(name => join(tests, name))
    .filter(name => match.test(name))
    .toSorted()
  const found = { same: [], different: [], listed: [], broken: [], output: [] }
  const next = async () => {
    for (let file = files.shift(); file !== undefined; file = files.shift()) {
      options.onCount?.(`${entry.name} ${file}`)
      await compareFile(file, options, found)
    }
  }
  await Promise.all(Array.from({ length: JOBS }, next))
  return found
}

async function compareFile(file, options, found) {
  const theirs = await runFile('node:net', options, file)
  const ours = await runFile('udsock/net', options, file)
  const differing = []
  for (const [title, expected] of theirs.outcomes) {
    if (ours.outcomes.get(title) === expected) found.same.push(title)
    else if (expected === 'ok') differing.push(title)
  }
  if (differing.length === 0) return
  // A test that fails now and then does so on both sides.
  const again = await runFile('udsock/net', options, file)
  const still = differing.filter(title => again.outcomes.get(title) !== 'ok')
  found.same.push(...differing.filter(title => !still.includes(title)))
  found.different.push(...still)
  if (still.length === 0) return
  const lines = again.output.split('\n').filter(line => !/^ *ok \d/.test(line))
  found.output.push(`${still.join('\n')}\n${lines.slice(0, 60).join('\n')}`)
}

export const isShipped = entry => entry.tests !== undefined

/** Whether the package has been installed with its tests. */
export const hasTests = (folder, { tests }) => existsSync(join(folder, tests))
