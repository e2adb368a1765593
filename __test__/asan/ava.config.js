// Specs that enter the addon in many ways, on the addon that UDSOCK_ADDON names, and slowly.
import { readFileSync } from 'node:fs'

const { ava } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const specs = ['smoke', 'accept', 'close-read', 'buffers', 'framed', 'reading']

export default {
  ...ava,
  files: specs.map(spec => `__test__/${spec}.spec.ts`),
  nodeArguments: [...ava.nodeArguments, `--import=${new URL('addon.js', import.meta.url)}`],
  concurrency: 1,
  serial: true,
}
