// Runs each program of the table once over node:net and once over udsock/net, and compares what its cases saw.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { command, root } from '../scripts/command.js'
import { compareShipped, hasTests, installShipped, isShipped } from './shipped.js'
import { missingPrograms, startServer } from './servers.js'
import { listed, programs } from './table.js'

const here = dirname(fileURLToPath(import.meta.url))
const hook = pathToFileURL(join(here, 'hook', 'index.js')).href
const mark = '\u0001case '
const PROGRAM_TIMEOUT = 5 * 60_000
const INSTALL_TIMEOUT = 10 * 60_000
/** How often a case whose outcome differs runs again, to tell a difference from two outcomes that both sides have. */
const REPEATS = 4

let installed
/** Installs the newest version of every library of the table; once per process. */
function install() {
  const names = [...new Set(programs.flatMap(({ packages = [] }) => packages))]
  const options = [
    '--no-save',
    '--no-package-lock',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--loglevel=error',
  ]
  const specifiers = names.map(name => (name.includes('@', 1) ? name : `${name}@latest`))
  installed ??= command('npm', ['install', ...options, ...specifiers], {
    cwd: here,
    timeout: INSTALL_TIMEOUT,
  })
  return installed
}

/** Runs a program on one side. Returns its cases by title; what it printed; whether it ended well. */
async function runOn(side, { node, name, serverPath }, onlyCase) {
  const env = { UDSOCK_DROP_IN: side, NODE_NO_WARNINGS: '1' }
  if (serverPath !== undefined) env.UDSOCK_DROP_IN_SERVER = serverPath
  if (onlyCase !== undefined) env.UDSOCK_DROP_IN_CASE = onlyCase
  const file = join(here, 'programs', `${name}.js`)
  const result = await command(node, ['--import', hook, file], { cwd: here, env, timeout: PROGRAM_TIMEOUT })
  const cases = new Map()
  for (const line of result.stdout.split('\n')) {
    if (!line.startsWith(mark)) continue
    const { title, outcome } = JSON.parse(line.slice(mark.length))
    cases.set(title, JSON.stringify(outcome, null, 2))
  }
  return { cases, output: result.output }
}

const lateOrFailed = outcome => outcome === undefined || /^ {2}"(?:error|held)":/m.test(outcome)

/** The entry of the table for a difference that the documentation states. */
function listedFor(name, title, major) {
  return listed.find(
    entry => entry.program === name && entry.cases.includes(title) && (entry.nodes?.(major) ?? true),
  )
}

/** Compares one program. Returns lists of titles. */
async function compare(program, major) {
  const { name } = program
  const [theirs, ours] = [await runOn('node:net', program), await runOn('udsock/net', program)]
  const found = { same: [], different: [], listed: [], broken: [], output: [] }
  const titles = new Set([...theirs.cases.keys(), ...ours.cases.keys()])
  if (titles.size === 0) titles.add('the program starts')
  for (const title of titles) {
    const expected = theirs.cases.get(title)
    const seen = ours.cases.get(title)
    if (lateOrFailed(expected)) {
      found.broken.push(title)
      found.output.push(`${name} > ${title}: fails on node:net\n${expected ?? theirs.output}`)
    } else if (seen === expected || (await isSeenOnBoth(program, title, seen))) {
      found.same.push(title)
    } else if (listedFor(name, title, major) !== undefined) {
      found.listed.push(title)
    } else {
      found.different.push(title)
      found.output.push(`${name} > ${title}\n${difference(expected, seen ?? ours.output)}`)
    }
  }
  return found
}

/** Whether node:net, too, comes to this outcome when the case runs again. */
async function isSeenOnBoth(program, title, outcome) {
  if (outcome === undefined) return false
  for (let round = 0; round < REPEATS; round++) {
    const { cases } = await runOn('node:net', program, title)
    if (cases.get(title) === outcome) return true
  }
  return false
}

const signed = (lines, sign) => lines.map(line => `  ${sign} ${line.trim()}`)

/** The lines in which two texts differ, without those that begin or end both. */
function difference(expected, seen) {
  const [left, right] = [expected.split('\n'), seen.split('\n')]
  while (left.length > 0 && left[0] === right[0]) [left, right].forEach(lines => lines.shift())
  while (left.length > 0 && left.at(-1) === right.at(-1)) [left, right].forEach(lines => lines.pop())
  return [...signed(left, '-'), ...signed(right, '+')].join('\n')
}

const parse = version => version.split('.').map(Number)

/** Whether a version is in a range of package.json's `engines`: alternatives of lower bounds. */
function satisfies(version, range) {
  return range.split('||').some(alternative => {
    const [, sign, bound] = /^(>=|\^)?\s*v?([\d.]+)/.exec(alternative.trim()) ?? []
    if (bound === undefined) return true
    const [own, wanted] = [parse(version), parse(bound)]
    if (sign === '^' && own[0] !== wanted[0]) return false
    const index = wanted.findIndex((number, place) => number !== own[place])
    return index < 0 || own[index] > wanted[index]
  })
}

/** Why a program cannot run here; undefined: it can. */
function missingFor({ packages = [], server }, version) {
  for (const name of packages) {
    const file = join(here, 'node_modules', name.replace(/(.)@.*$/, '$1'), 'package.json')
    if (!existsSync(file)) return `${name} is not installed`
    const { engines, version: own } = JSON.parse(readFileSync(file, 'utf8'))
    if (!satisfies(version, engines?.node ?? '*')) return `${name} ${own} wants Node.js ${engines.node}`
  }
  const missing = server === undefined ? [] : missingPrograms(server)
  return missing.length > 0 ? `no ${missing.join(' and no ')} here` : undefined
}

/** Entries of the list of differences that name no case, or a sentence that the documentation does not have. */
function staleEntries(titlesOf) {
  const page = readFileSync(join(root, 'docs', 'migrating-from-node-net.md'), 'utf8').replaceAll(/\s+/g, ' ')
  return listed.flatMap(({ program, cases, stated }) => {
    if (!page.includes(stated)) return [`docs/migrating-from-node-net.md does not say: ${stated}`]
    const titles = titlesOf.get(program)
    return titles === undefined
      ? []
      : cases.filter(title => !titles.has(title)).map(title => `no case: ${title}`)
  })
}

/**
 * Compares all programs, or those of `only`, on the Node.js program `node`. `quick` leaves out those that take long.
 * Returns counts in the manner of the other suites, with `same` and `different`.
 */
export async function compareAll({
  node = process.execPath,
  only,
  quick = false,
  install: wanted = true,
  onCount,
}) {
  const result = { passed: 0, failed: 0, same: 0, different: 0, skipped: [], output: '', version: '' }
  if (wanted) {
    onCount?.('npm install')
    const { code, output } = await install()
    if (code !== 0) return { ...result, failed: 1, output }
  }
  const { stdout } = await command(node, ['-p', 'process.versions.node'])
  result.version = stdout.trim()
  const major = parse(result.version)[0]
  const chosen = programs.filter(({ name, long }) => only?.includes(name) ?? !(quick && long))
  const output = []
  const titlesOf = new Map()
  const add = (found, name) => {
    titlesOf.set(name, new Set([...found.same, ...found.different, ...found.listed, ...found.broken]))
    result.same += found.same.length
    result.different += found.different.length
    result.passed += found.same.length
    result.failed += found.different.length + found.broken.length
    result.skipped.push(
      ...found.listed.map(title => `${name} > ${title} (a difference that the documentation states)`),
    )
    output.push(...found.output)
  }
  for (const program of chosen) {
    onCount?.(program.name)
    const missing = missingFor(program, result.version)
    if (missing !== undefined) {
      result.skipped.push(`${program.name}: ${missing}`)
      continue
    }
    if (isShipped(program)) {
      const folder = await installShipped(program)
      if (!hasTests(folder, program)) {
        result.skipped.push(`${program.name}: the package has none any more`)
        continue
      }
      const found = await compareShipped(program, { node, hook, folder, onCount })
      add(found, program.name)
      continue
    }
    const server = program.server === undefined ? undefined : await startServer(program.server)
    const found = await compare({ ...program, node, serverPath: server?.path }, major)
    await server?.close()
    add(found, program.name)
  }
  const stale = staleEntries(titlesOf)
  result.failed += stale.length
  return { ...result, output: [...output, ...stale].join('\n') }
}
