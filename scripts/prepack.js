// `npm pack` and `npm publish`: builds what the package contains, or refuses. A package without its code never leaves the checkout.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const { exports, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function refuse(reason) {
  console.error(`udsock is not packed: ${reason}`)
  process.exit(1)
}

if (!process.env.UDSOCK_SKIP_BUILD) {
  if (!existsSync(join(root, 'node_modules')))
    refuse('the tools to build it are missing; run `npm install` first')
  const { code, output } = await command('npm', ['run', '--silent', 'build:ts'])
  if (code !== 0) refuse(`the build failed\n${output}`)
}
const targets = Object.values(exports).flatMap(each =>
  typeof each === 'string' ? each : Object.values(each).flatMap(condition => Object.values(condition)),
)
for (const file of [...files, ...targets])
  if (!existsSync(join(root, file))) refuse(`${file} is missing; run \`npm run build\``)
