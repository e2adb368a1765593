import test, { type ExecutionContext } from 'ava'
import { cpSync, mkdirSync, readdirSync, realpathSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { directory } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'

/** Where the package's own files are: in this checkout, or in node_modules. */
const home = dirname(createRequire(import.meta.url).resolve('udsock/package.json'))
const isAddon = (name: string): boolean => name.endsWith('.node')
const files = ['package.json', 'lib']

/** The package once more; its addon is a copy, or the same file. */
function copyOf(t: ExecutionContext, addon: 'copied' | 'linked'): string {
  const copy = realpathSync(directory(t))
  const put = (from: string, to: string): void =>
    addon === 'copied' ? cpSync(from, to, { recursive: true }) : symlinkSync(from, to)
  for (const file of files) cpSync(join(home, file), join(copy, file), { recursive: true, dereference: true })
  const addons = readdirSync(home).filter(isAddon)
  for (const name of addons) put(join(home, name), join(copy, name))
  if (addons.length > 0) return copy
  // Installed, it has a package of its own.
  mkdirSync(join(copy, 'node_modules'))
  for (const name of readdirSync(dirname(home)).filter(other => other.startsWith('udsock-')))
    put(join(dirname(home), name), join(copy, 'node_modules', name))
  return copy
}

for (const addon of ['copied', 'linked'] as const)
  test(`two copies of the package in one process talk to each other and end, their addon ${addon}`, async t => {
    t.timeout(60_000)
    const program = start(t, 'copies.js', [home, copyOf(t, addon), directory(t)])
    t.deepEqual(await answer(t, program), { wrong: [], pairs: 4, code: 0 })
  })

test('three copies, of which two share their addon, talk to each other and end', async t => {
  t.timeout(60_000)
  const homes = [home, copyOf(t, 'copied'), copyOf(t, 'linked')]
  t.deepEqual(await answer(t, start(t, 'copies.js', [...homes, directory(t)])), {
    wrong: [],
    pairs: 9,
    code: 0,
  })
})
