// `npm run bench:report`: makes the figures of docs/performance.md and the charts from benchmark/results/*.json.
//   --check   changes nothing, and fails if they differ from the results
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { byKind, chartsOf, section, withSection } from '../benchmark/publish.js'
import { savedIn } from '../benchmark/results.js'
import { root } from './command.js'

const relative = 'benchmark/results'
const directory = join(root, relative)

const filesWith = ending =>
  existsSync(directory) ? readdirSync(directory).filter(file => file.endsWith(ending)) : []

/** Returns the content of every generated file by its path; undefined for a chart whose results are gone. */
function wanted() {
  const all = savedIn(directory)
  const page = join(root, 'docs', 'performance.md')
  const files = new Map(filesWith('.svg').map(file => [join(directory, file), undefined]))
  files.set(page, withSection(readFileSync(page, 'utf8'), section(all, `../${relative}`)))
  for (const [newest] of byKind(all))
    for (const [file, text] of Object.entries(chartsOf(newest))) files.set(join(directory, file), text)
  return files
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const stale = [...wanted()].filter(
  ([file, text]) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined) !== text,
)
for (const [file, text] of stale) {
  const name = file.slice(root.length + 1)
  if (values.check) console.error(`${name} is not what the results give: run \`npm run bench:report\``)
  else if (text === undefined) rmSync(file)
  else writeFileSync(file, text)
  if (!values.check) console.log(`${text === undefined ? 'removed' : 'written'}: ${name}`)
}
if (values.check && stale.length > 0) process.exitCode = 1
