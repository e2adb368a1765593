// `npm run bench:report`: makes the README's figures and the charts from benchmark/results/*.json.
//   --check   changes nothing, and fails unless they are what the results give
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chartsOf, section, withSection } from '../benchmark/publish.js'
import { root } from './command.js'

const relative = 'benchmark/results'
const directory = join(root, relative)

/** Those against node:net first, then by version. */
const rank = name => Number(name.startsWith('peers')) * 1000 + Number(name.split('-')[1])

/** The results files, in order. */
function saved() {
  const names = filesWith('.json').map(file => file.slice(0, -'.json'.length))
  return names
    .filter(name => /^(?:node|peers)-\d+$/.test(name))
    .toSorted((a, b) => rank(a) - rank(b))
    .map(name => ({ name, results: JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) }))
}

const filesWith = ending =>
  existsSync(directory) ? readdirSync(directory).filter(file => file.endsWith(ending)) : []

/** What every generated file should hold, by its path; undefined is a chart of results that are gone. */
function wanted() {
  const all = saved()
  const readme = join(root, 'README.md')
  const files = new Map(filesWith('.svg').map(file => [join(directory, file), undefined]))
  files.set(readme, withSection(readFileSync(readme, 'utf8'), section(all, relative)))
  for (const { name, results } of all)
    for (const [file, text] of Object.entries(chartsOf(name, results))) files.set(join(directory, file), text)
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
