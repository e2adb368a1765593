// `npm run release -- --dry-run`: everything that a release does but the last step. It packs all packages, publishes them into a
// registry of its own, and installs and runs them from there as a user would. Without --dry-run it publishes what a dry run
// packed, which only the release workflow can: npm trusts no other.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { command, root } from './command.js'
import { skipped, Tally } from './outcome.js'
import {
  addonOf,
  assemble,
  assembleStandIn,
  builtAddon,
  optionalDependencies,
  platforms,
  standIn,
} from './platforms.js'
import { home, installRegistry, installTools, startRegistry } from './registry.js'
import { npm } from './releases.js'
import { prepare } from './setup.js'
import { everyRuntime, fewRuntimes, takeSteps } from './stranger.js'

const packages = join(home, 'packages')
const linters = ['publint@0.3.25', '@arethetypeswrong/cli@0.18.5']
/** Bytes of the installed package at most, without source maps. */
const MOST_BYTES = 300_000
const read = file => readFileSync(join(root, file), 'utf8')
const json = file => JSON.parse(read(file))

/** Returns the changelog's section of a version: { title, text }, or undefined. */
export function changesOf(version, changelog = read('CHANGELOG.md')) {
  const sections = changelog.split(/^## /m).slice(1)
  const section = sections.find(text => text.startsWith(`[${version}]`))
  if (section === undefined) return undefined
  const [title, ...lines] = section.split('\n')
  return {
    title,
    text: lines
      .filter(line => !/^\[.*\]: /.test(line))
      .join('\n')
      .trim(),
  }
}

/** Checks what the files say about the version; with `tag` also that a release of that tag may be published. */
async function checkVersion(tally, { tag, clean }) {
  const { version } = json('package.json')
  const lock = json('package-lock.json')
  const crates = /^\[workspace\.package\]\nversion = "(.*)"/m.exec(read('Cargo.toml'))?.[1]
  const others = {
    'package-lock.json': lock.version,
    'package-lock.json, its root': lock.packages[''].version,
    'Cargo.toml': crates,
  }
  for (const name of [...platforms.map(platform => platform.name), standIn])
    others[`npm/${name}`] = json(`npm/${name}/package.json`).version
  const differing = Object.entries(others).filter(([, other]) => other !== version)
  tally.check('one version', differing.length === 0, `not ${version}: ${JSON.stringify(differing)}`)

  const changes = changesOf(version)
  const dated = /^\[.*\] - \d{4}-\d{2}-\d{2}$/.test(changes?.title ?? '')
  const pending = changes ?? changesOf('Unreleased')
  const described = tag === undefined ? Boolean(pending?.text) : dated && changes.text !== ''
  tally.check('changelog', described, `CHANGELOG.md describes no ${version}`)

  if (tag !== undefined) tally.check('tag', tag === `v${version}`, `${tag} is not v${version}`)
  if (!clean) return
  const status = await command('git', ['-c', `safe.directory=${root}`, 'status', '--porcelain'])
  tally.check('clean tree', status.code === 0 && status.output === '', status.output)
}

const pack = async folder => {
  const name = await npm(['pack', folder, '--silent', '--ignore-scripts', '--pack-destination', packages])
  return join(packages, name.split('\n').at(-1))
}

/** Returns the tarball of the main package, with the platforms' packages as its optional dependencies. */
async function packMain() {
  const staged = join(home, 'main')
  rmSync(staged, { recursive: true, force: true })
  mkdirSync(staged, { recursive: true })
  const tarball = await pack(root)
  const unpacked = await command('tar', ['-xzf', tarball, '-C', staged])
  if (unpacked.code !== 0) throw new Error(unpacked.output)
  const file = join(staged, 'package', 'package.json')
  // What only this repository needs is left out.
  const { scripts: _, devDependencies: __, napi: ___, ...manifest } = JSON.parse(readFileSync(file, 'utf8'))
  // These are for a checkout.
  for (const field of ['devDependencies', 'napi', 'scripts']) delete manifest[field]
  const complete = { ...manifest, optionalDependencies: optionalDependencies(manifest) }
  writeFileSync(file, `${JSON.stringify(complete, null, 2)}\n`)
  return pack(join(staged, 'package'))
}

/** Packs everything: { tarballs, missing }. The main package names those before it, and the stand-in for unix-dgram, the last, names the main one. */
async function packAll() {
  rmSync(packages, { recursive: true, force: true })
  mkdirSync(packages, { recursive: true })
  const tarballs = []
  const missing = []
  for (const platform of platforms) {
    const addon = [builtAddon(platform), join(root, addonOf(platform))].find(file => existsSync(file))
    if (addon === undefined) missing.push(platform.name)
    else {
      const folder = join(home, 'platforms', platform.name)
      mkdirSync(join(home, 'platforms'), { recursive: true })
      assemble(platform, folder, addon)
      tarballs.push(await pack(folder))
    }
  }
  const folder = join(home, standIn)
  assembleStandIn(folder)
  tarballs.push(await packMain(), await pack(folder))
  return { tarballs, missing }
}

/** Returns what the package's page and npm need of package.json, and it does not say. */
function missingFields(manifest) {
  const { sideEffects, publishConfig, keywords = [], dependencies } = manifest
  const fields = ['description', 'repository', 'homepage', 'bugs', 'author', 'license', 'engines', 'exports']
  const missing = fields.filter(field => !manifest[field])
  if (keywords.length === 0) missing.push('keywords')
  if (sideEffects !== false) missing.push('sideEffects: false')
  if (publishConfig?.provenance !== true) missing.push('publishConfig.provenance: true')
  if (dependencies !== undefined) missing.push('no dependencies')
  for (const { name } of platforms)
    if (manifest.optionalDependencies?.[`udsock-${name}`] !== manifest.version)
      missing.push(`the package of ${name}`)
  return missing
}

/** Checks the main package: package.json, publint, its types in every way of resolving modules, its size, and the README's links. */
async function lint(tally, tarball) {
  const folder = await installTools('lint', linters)
  const bin = name => join(folder, 'node_modules/.bin', name)
  const { stdout } = await command('tar', ['-xzOf', tarball, 'package/package.json'])
  const missing = missingFields(JSON.parse(stdout))
  tally.check('package.json', missing.length === 0, `without ${missing.join(', ')}`)
  const publint = await command(bin('publint'), ['run', tarball, '--strict'], { timeout: 60_000 })
  tally.check('publint', publint.code === 0, publint.output)
  const attw = await command(bin('attw'), [tarball, '--no-emoji', '--profile', 'node16'], {
    timeout: 120_000,
  })
  tally.check('attw', attw.code === 0, attw.output)
  const list = await command('tar', ['-tvzf', tarball])
  const files = [...list.stdout.matchAll(/^\S+ +\S+ +(\d+) .* (package\/.*)$/gm)]
  const sizes = files.filter(([, , name]) => !name.endsWith('.map')).map(([, size]) => Number(size))
  const size = sizes.reduce((sum, each) => sum + each, 0)
  tally.check('size', size > 0 && size < MOST_BYTES, `${size} bytes, not ${MOST_BYTES}, without source maps`)
  const readme = await command('tar', ['-xzOf', tarball, 'package/README.md'])
  const links = [...readme.stdout.matchAll(/\]\((?!https?:\/\/|#)([^)]*)\)/g)].map(match => match[1])
  tally.check("README's links", links.length === 0, `relative on the registry's page: ${links.join(', ')}`)
}

/** Everything but publishing. `clean`: whether uncommitted changes are a failure; `tag` is the release's. */
async function rehearse({ runtimes, tag, clean, onCount }) {
  const tally = new Tally()
  await checkVersion(tally, { tag, clean })
  onCount('packing')
  const { tarballs, missing } = await packAll()
  if (missing.length > 0) {
    const what = `packages without a build here: ${missing.join(', ')}`
    if (tag === undefined) tally.skipped.push(what)
    else tally.check('every platform', false, what)
  }
  await lint(tally, tarballs.at(-2))
  onCount('registry')
  const folder = mkdtempSync(join(tmpdir(), 'udsock-release-'))
  let registry
  try {
    registry = await startRegistry()
    for (const tarball of tarballs) await registry.publish(tarball)
    tally.check('publishing', true, '')
    for (const runtime of runtimes) {
      onCount(runtime.name)
      await takeSteps(runtime, registry.url, folder, tally)
    }
  } catch (error) {
    tally.check('publishing', false, error.message)
  } finally {
    await registry?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return tally
}

/** The part of the dry run that the gate has time for. */
export const releaseSuite = {
  name: 'release',
  run: async onCount => {
    try {
      await installTools('lint', linters)
      await installRegistry()
    } catch (error) {
      return skipped(`all of it: ${error.message}`)
    }
    return rehearse({ runtimes: fewRuntimes, clean: false, onCount })
  },
}

/** Publishes what a dry run packed. A version that is published already is left out, so a failed run can be repeated. */
async function publish(tag) {
  const { version } = json('package.json')
  const tally = new Tally()
  await checkVersion(tally, { tag: tag ?? '', clean: true })
  if (tally.failed > 0) throw new Error(tally.output)
  if (process.env.ACTIONS_ID_TOKEN_REQUEST_URL === undefined)
    throw new Error('only the release workflow can publish: push the tag, or pass --dry-run')
  const main = `udsock-${version}.tgz`
  const files = existsSync(packages) ? readdirSync(packages) : []
  const wanted = [
    ...platforms.map(({ name }) => `udsock-${name}-${version}.tgz`),
    main,
    `udsock-${standIn}-${version}.tgz`,
  ]
  const lacking = wanted.filter(file => !files.includes(file))
  if (lacking.length > 0) throw new Error(`not packed: ${lacking.join(', ')}`)
  for (const file of wanted) {
    const name = basename(file, `-${version}.tgz`)
    const known = await command('npm', ['view', `${name}@${version}`, 'version', '--loglevel=error'])
    if (known.code === 0 && known.stdout.trim() === version) {
      console.log(`${name}@${version} is published already`)
      continue
    }
    console.log(await npm(['publish', join(packages, file), '--access', 'public', '--provenance']))
  }
}

const options = {
  'dry-run': { type: 'boolean' },
  notes: { type: 'boolean' },
  tag: { type: 'string' },
}

const print = text => console.log(text)

async function start() {
  const { values } = parseArgs({ options })
  if (values.notes) return print(changesOf(json('package.json').version)?.text)
  if (!values['dry-run']) return publish(values.tag)
  await prepare()
  const tally = await rehearse({ runtimes: everyRuntime, tag: values.tag, clean: true, onCount: print })
  for (const what of tally.skipped) console.log(`Skipped, not counted as passed: ${what}`)
  console.log(`${tally.output}${tally.passed} passed, ${tally.failed} failed`)
  process.exitCode = Number(tally.failed > 0)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  await start().catch(error => {
    console.error(error.message)
    process.exitCode = 1
  })
