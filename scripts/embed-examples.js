// `npm run docs:embed`: copies examples into the code blocks of docs/*.md that name them (```js file=../examples/echo-server.js).
//   --check   changes nothing, and fails unless the blocks are what the files hold
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './command.js'

const docs = join(root, 'docs')
const blocks = /^(```\w+ file=(\S+)\n)(.*?)^```$/gms

const embedded = page =>
  page.replace(blocks, (_, head, file) => `${head}${readFileSync(resolve(docs, file), 'utf8')}\`\`\``)

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
for (const name of readdirSync(docs).filter(file => file.endsWith('.md'))) {
  const file = join(docs, name)
  const page = readFileSync(file, 'utf8')
  const wanted = embedded(page)
  if (wanted === page) continue
  if (values.check) {
    console.error(`docs/${name} does not show the examples as they are: run \`npm run docs:embed\``)
    process.exitCode = 1
  } else writeFileSync(file, wanted)
}
