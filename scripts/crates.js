// The crates as their users get them: the documentation without a warning (`npm test -- rustdoc`), and the packages, built from
// what `cargo publish` would upload (`npm test -- package`).
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { command, root } from './command.js'
import { checked, skipped, Tally } from './outcome.js'

const TIMEOUT = 10 * 60_000
const published = ['--package', 'udsock', '--package', 'udsock-reactor']
const folder = join(root, 'target/packages')

async function document() {
  const args = ['doc', '--no-deps', '--features', 'udsock/stream', ...published]
  return checked(await command('cargo', args, { env: { RUSTDOCFLAGS: '-D warnings' }, timeout: TIMEOUT }))
}

/**
 * Removes what an earlier run left. Cargo builds udsock-reactor against the udsock in a registry of its own in the target folder,
 * and takes a package of the same version there, and in its cache, for the same package.
 */
function removeEarlier() {
  rmSync(folder, { recursive: true, force: true })
  const cache = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry/src')
  if (!existsSync(cache)) return
  // Registries without a host are folders.
  for (const registry of readdirSync(cache).filter(name => name.startsWith('-'))) {
    const ours = readdirSync(join(cache, registry)).filter(name => name.startsWith('udsock-'))
    for (const name of ours) rmSync(join(cache, registry, name), { recursive: true })
  }
}

/** What crates.io shows of a crate, as `cargo metadata` names it. */
const described = [
  'description',
  'documentation',
  'homepage',
  'license',
  'readme',
  'repository',
  'rust_version',
]

const isKeyword = word => /^[a-z][\w+-]{0,19}$/i.test(word)

/** Checks what the manifests of the published crates say about them, against the rules of crates.io. */
async function checkManifests(tally) {
  const args = ['metadata', '--no-deps', '--format-version', '1']
  const { code, stdout, output } = await command('cargo', args, { timeout: TIMEOUT })
  tally.check('cargo metadata', code === 0, output)
  if (code !== 0) return
  for (const crate of JSON.parse(stdout).packages.filter(({ publish }) => publish === null)) {
    const { name, keywords, categories } = crate
    const missing = described.filter(field => !crate[field])
    if (!published.includes(name)) missing.push('--package of scripts/crates.js')
    tally.check(`the manifest of ${name}`, missing.length === 0, `without ${missing.join(', ')}`)
    const isFound = keywords.length > 0 && keywords.length <= 5 && keywords.every(isKeyword)
    tally.check(`the keywords of ${name}`, isFound, keywords.join(', '))
    const isSorted = categories.length > 0 && categories.length <= 5
    tally.check(`the categories of ${name}`, isSorted, categories.join(', '))
  }
}

/** Packages are resolved again. Without a network that works only if cargo has every crate that they name. */
async function pack() {
  removeEarlier()
  const tally = new Tally()
  await checkManifests(tally)
  const args = ['package', '--allow-dirty', '--quiet', '--target-dir', folder, ...published]
  const offline = await command('cargo', [...args, '--offline'], { timeout: TIMEOUT })
  if (offline.code === 0) {
    tally.add(checked(offline))
    return tally
  }
  const online = await command('cargo', args, { timeout: TIMEOUT })
  const isUnreachable = /could not resolve host|failed to connect|failed to download|network failure/i
  if (online.code !== 0 && isUnreachable.test(online.output)) {
    tally.add(
      skipped('the build: cargo reaches no registry, and does not have every crate that the packages name'),
    )
  } else tally.add(checked(online))
  return tally
}

export const rustdocSuite = { name: 'rustdoc', run: document }
export const packageSuite = { name: 'package', run: pack }
