// The fenced blocks of the documentation, and the programs that a compiler gets of them.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from './command.js'

/** The pages under docs/, by their paths in the repository. */
export const guides = readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.md'))
  .map(entry => relative(root, join(entry.parentPath ?? entry.path, entry.name)))

export const pages = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'benchmark/README.md', ...guides]

/** Returns the blocks of a page: { page, line, language, info, text }. `info` has the words after the language: `run`, `fragment`, `file=...`. */
function blocksOf(page) {
  const content = readFileSync(join(root, page), 'utf8')
  return [...content.matchAll(/^```(\S*)(.*)\n((?:.*\n)*?)```$/gm)].map(match => {
    const [, language = '', info = '', text = ''] = match
    const line = content.slice(0, match.index).split('\n').length
    return { page, line, language, info: info.trim().split(' ').filter(Boolean), text }
  })
}

export const blocks = pages.flatMap(blocksOf)

/** What a fragment may use. */
const preamble = `import { connect, FramedSocket, listen, type UnixListener, type UnixSocket } from 'udsock'
declare const [listener, socket]: [UnixListener, UnixSocket]
export async function fragment() {
`

/** An example that only runs: the declarations of node:diagnostics_channel ask for every subscriber, and know no field of a message. */
const untyped = 'file=../examples/tracing.js'

/** Returns the programs that the blocks of a language are: { name, text } of modules in TypeScript. */
export function programsIn(language) {
  return blocks
    .filter(block => block.language === language && !block.info.includes(untyped))
    .map(({ page, line, info, text }) => ({
      name: `${page.replaceAll('/', '-')}-${line}.mts`,
      text: info.includes('fragment') ? `${preamble}${text}}\n` : `${text}export {}\n`,
    }))
}
