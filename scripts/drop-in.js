// Runs the programs of drop-in/ over node:net and over udsock/net, and counts the differences. `npm run test:peers` runs all of
// them: `-- --node PATH` (may be repeated) on other versions of Node.js, `-- --only NAME` some of them, `-- --installed` with
// the installed libraries. The last line is `N passed, N failed`.
import { parseArgs } from 'node:util'
import { compareAll } from '../drop-in/harness.js'
import { row, timed } from './terminal.js'
import { setup } from './setup.js'

const { values } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: [process.execPath] },
    only: { type: 'string', multiple: true },
    installed: { type: 'boolean', default: false },
  },
})

await setup()
let [passed, failed] = [0, 0]
for (const node of values.node) {
  let detail = ''
  const onCount = text => {
    detail = text
  }
  const options = { node, only: values.only, install: !values.installed, onCount }
  const [result, elapsed] = await timed(
    node,
    () => compareAll(options),
    () => detail,
  )
  console.log(result.output)
  if (result.skipped.length > 0)
    console.log(`Skipped, not counted as passed:\n  ${result.skipped.join('\n  ')}`)
  console.log(row(`node ${result.version}`, `${result.same} same, ${result.different} different`, elapsed))
  passed += result.passed
  failed += result.failed
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
