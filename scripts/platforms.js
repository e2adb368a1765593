// The platforms that have a package of their own, and what those packages hold. The folders under npm/ and the loader, addon.cjs, are made
// from this table: `node scripts/platforms.js` writes them, `--check` compares them.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './command.js'
import { loaderOf } from './loader.js'
import { thirdPartyNotices } from './notices.js'

const home = join(root, 'npm')
const loader = join(root, 'addon.cjs')
const notices = 'THIRD-PARTY-NOTICES.md'
/** Copied into each package when it is packed: the same text eight times is nothing to commit. */
const shared = { LICENSE: join(root, 'LICENSE'), [notices]: join(home, notices) }

const linux = (arch, libc, target, also) => ({
  name: `linux-${arch}-${libc === 'glibc' ? 'gnu' : libc}`,
  target,
  os: 'linux',
  cpu: arch,
  libc,
  ...also,
})

/** `glibc` is the oldest version that a package promises to run on. */
export const platforms = [
  linux('x64', 'glibc', 'x86_64-unknown-linux-gnu', { glibc: '2.17' }),
  linux('arm64', 'glibc', 'aarch64-unknown-linux-gnu', { glibc: '2.17' }),
  linux('x64', 'musl', 'x86_64-unknown-linux-musl'),
  linux('arm64', 'musl', 'aarch64-unknown-linux-musl'),
  { name: 'darwin-x64', target: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64' },
  { name: 'darwin-arm64', target: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64' },
  { name: 'freebsd-x64', target: 'x86_64-unknown-freebsd', os: 'freebsd', cpu: 'x64' },
  { name: 'android-arm64', target: 'aarch64-linux-android', os: 'android', cpu: 'arm64' },
]

/** Returns the name of a platform's addon, as the loader looks for it. */
export const addonOf = ({ name }) => `udsock.${name}.node`

/** Returns the file that `npm run build:platforms` makes of a platform's addon. */
export const builtAddon = platform => join(root, 'target/platforms', platform.target, addonOf(platform))

const readMain = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Returns the `optionalDependencies` of the packed main package: each platform's package, at the main package's version. */
export function optionalDependencies({ version } = readMain()) {
  return Object.fromEntries(platforms.map(({ name }) => [`udsock-${name}`, version]))
}

/** Returns the package.json of a platform's package. What describes the project is the main package's. */
export function packageOf(platform, main = readMain()) {
  const { name, target, os, cpu, libc } = platform
  const { version, license, engines, author, homepage, bugs, repository, publishConfig } = main
  return {
    name: `udsock-${name}`,
    version,
    description: `The addon of udsock for ${target}`,
    license,
    ...(author && { author }),
    ...(homepage && { homepage }),
    ...(bugs && { bugs }),
    ...(repository && { repository: { ...repository, directory: `npm/${name}` } }),
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    main: addonOf(platform),
    files: [addonOf(platform), notices],
    engines,
    ...(publishConfig && { publishConfig }),
  }
}

/** The package that stands in for unix-dgram, and its files: one line of code. */
export const standIn = 'unix-dgram'

/** Returns its package.json. */
export function standInPackage(main = readMain()) {
  const { version, license, engines, author, homepage, bugs, repository, publishConfig } = main
  return {
    name: `udsock-${standIn}`,
    version,
    description:
      'udsock/dgram in place of unix-dgram: Unix-domain datagrams without a compiler and without loss',
    keywords: ['unix-dgram', 'unix', 'dgram', 'datagram', 'statsd', 'syslog'],
    license,
    ...(author && { author }),
    ...(homepage && { homepage }),
    ...(bugs && { bugs }),
    ...(repository && { repository: { ...repository, directory: `npm/${standIn}` } }),
    main: 'index.cjs',
    files: ['index.cjs'],
    dependencies: { udsock: version },
    engines,
    ...(publishConfig && { publishConfig }),
  }
}

const standInReadme = `# \`udsock-${standIn}\`

[udsock/dgram](https://www.npmjs.com/package/udsock) in place of [unix-dgram](https://www.npmjs.com/package/unix-dgram), for the packages that
require that, such as hot-shots and winston-syslog. In your package.json:

\`\`\`json
{
  "overrides": {
    "unix-dgram": "npm:udsock-${standIn}@^${readMain().version}"
  }
}
\`\`\`

It needs no compiler, works in worker threads, and a receiver that is full makes messages wait instead of losing them.
`

/** Makes `folder` the complete package. */
export function assembleStandIn(folder) {
  rmSync(folder, { recursive: true, force: true })
  cpSync(join(home, standIn), folder, { recursive: true })
  copyFileSync(shared.LICENSE, join(folder, 'LICENSE'))
}

const readmeOf = ({ name, target }) => `# \`udsock-${name}\`

The addon of [udsock](https://www.npmjs.com/package/udsock) for **${target}**. Install \`udsock\`: npm chooses this package by itself.
`

/** Returns every committed file under npm/, by its path from there. */
async function files() {
  const all = { [notices]: await thirdPartyNotices(platforms.map(({ target }) => target)) }
  for (const platform of platforms) {
    all[`${platform.name}/package.json`] = `${JSON.stringify(packageOf(platform), null, 2)}\n`
    all[`${platform.name}/README.md`] = readmeOf(platform)
  }
  all[`${standIn}/package.json`] = `${JSON.stringify(standInPackage(), null, 2)}\n`
  all[`${standIn}/README.md`] = standInReadme
  all[`${standIn}/index.cjs`] = "module.exports = require('udsock/dgram')\n"
  return all
}

const isAddon = file => file.endsWith('.node')
const isCopy = file => Object.hasOwn(shared, file.split('/').at(-1)) && file !== notices

/** Returns what differs between npm/, addon.cjs and the table, a line each. Addons and copies made for packing are left out. */
export async function differences() {
  const wanted = await files()
  const present = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(home, join(entry.parentPath ?? entry.path, entry.name)))
    .filter(file => !isAddon(file) && !isCopy(file))
  const extra = present
    .filter(file => !Object.hasOwn(wanted, file))
    .map(file => `npm/${file} has no platform`)
  const wrong = Object.entries(wanted).filter(
    ([file, text]) => !present.includes(file) || readFileSync(join(home, file), 'utf8') !== text,
  )
  const stale = wrong.map(([file]) => `npm/${file}`)
  if (readFileSync(loader, 'utf8') !== loaderOf(platforms)) stale.push('addon.cjs')
  return [...extra, ...stale.map(file => `${file} is not what scripts/platforms.js writes`)]
}

/** Writes addon.cjs, and npm/ without the addons. */
async function write() {
  const wanted = await files()
  writeFileSync(loader, loaderOf(platforms))
  for (const name of [...platforms.map(platform => platform.name), standIn])
    mkdirSync(join(home, name), { recursive: true })
  for (const [file, text] of Object.entries(wanted)) writeFileSync(join(home, file), text)
}

/**
 * Makes `folder` a complete package of a platform: npm/<name>, the licences and `addon`. Throws if the addon is missing, because a
 * package without it installs and does not load.
 */
export function assemble(platform, folder, addon = builtAddon(platform)) {
  if (!existsSync(addon)) {
    const from = relative(root, addon)
    throw new Error(`${from} is missing, so udsock-${platform.name} would be empty: npm run build:platforms`)
  }
  rmSync(folder, { recursive: true, force: true })
  cpSync(join(home, platform.name), folder, { recursive: true, filter: file => !isAddon(file) })
  for (const [name, file] of Object.entries(shared)) copyFileSync(file, join(folder, name))
  copyFileSync(addon, join(folder, addonOf(platform)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const found = await differences()
    for (const line of found) console.error(line)
    process.exitCode = Number(found.length > 0)
  } else await write()
}
