import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { addonPath } from './addon.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** The exports that ask for a panic, and the panic's message. */
const traces = ['wantPanic', 'wantedPanics', 'a test wants this panic']

test('an addon that is published has no panics on demand', t => {
  const addons = readdirSync(root).filter(name => name.endsWith('.node'))
  t.true(addons.length > 0)
  for (const trace of traces) {
    t.true(readFileSync(addonPath).includes(trace), `what is looked for is there to be found: ${trace}`)
    for (const addon of addons) t.false(readFileSync(join(root, addon)).includes(trace), `${addon}: ${trace}`)
  }
})

test('a release unwinds, so that panics can be contained', t => {
  t.notRegex(readFileSync(join(root, 'Cargo.toml'), 'utf8'), /panic\s*=\s*["']abort/)
})
