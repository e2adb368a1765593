// The licences of the crates that are compiled into an addon, as text that its package ships.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { command, root } from './command.js'

const addon = ['--locked', '--manifest-path', join(root, 'crates/udsock-node/Cargo.toml')]

async function cargo(...args) {
  const { code, stdout, output } = await command('cargo', args, { timeout: 5 * 60_000 })
  if (code !== 0) throw new Error(output)
  return stdout
}

/** Returns `name version` of each crate whose code is in the addon of some target: no build script, no macro, no test. */
async function linked(targets) {
  const all = targets.flatMap(target => ['--target', target])
  const options = ['--edges', 'normal,no-proc-macro', '--prefix', 'none', '--format', '{p}']
  const lines = (await cargo('tree', ...addon, ...options, ...all)).trim().split('\n')
  return new Set(lines.map(line => line.split(' ').slice(0, 2).join(' ').replace(' v', ' ')))
}

/** Without a file of its own, a crate under MIT gets the licence's text with the names that it declares. */
const mit = readFileSync(join(root, 'LICENSE'), 'utf8')
const mitOf = authors =>
  mit.replace(
    /^Copyright .*$/m,
    `Copyright (c) ${authors.map(author => author.replace(/ <.*>/, '')).join(', ')}`,
  )

/** Returns a crate's licence text. Of several licences to choose from it is MIT's. */
function licenceOf({ name, license, authors, manifest_path: manifest }) {
  const folder = dirname(manifest)
  const files = ['LICENSE-MIT', 'LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license']
  const file = files.map(each => join(folder, each)).find(each => existsSync(each))
  if (file !== undefined) return readFileSync(file, 'utf8')
  if (license === 'MIT') return mitOf(authors.length > 0 ? authors : [`the authors of ${name}`])
  throw new Error(`${name} (${license}) has no licence file: ${readdirSync(folder).join(', ')}`)
}

/** Removes what differs between copies of one text. */
const normalized = text =>
  text
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
    .trim()

/** Returns the notices of the addons of `targets`, each text once. */
export async function thirdPartyNotices(targets) {
  const names = await linked(targets)
  const { packages, workspace_members: own } = JSON.parse(
    await cargo('metadata', '--format-version=1', ...addon),
  )
  const crates = packages.filter(
    ({ name, version, id }) => names.has(`${name} ${version}`) && !own.includes(id),
  )
  const byText = new Map()
  for (const crate of crates) {
    const text = normalized(licenceOf(crate))
    byText.set(text, [...(byText.get(text) ?? []), crate])
  }
  const sections = [...byText].map(([text, users]) => {
    const titles = users.map(({ name, version, license }) => `- ${name} ${version} (${license})`).toSorted()
    return `${titles.join('\n')}\n\n\`\`\`text\n${text}\n\`\`\``
  })
  return `# Third-party notices

The addon of udsock contains the Rust standard library, which is under MIT or Apache-2.0, and these crates. A crate with a choice of
licences is used under MIT.

${sections.toSorted().join('\n\n')}
`
}
