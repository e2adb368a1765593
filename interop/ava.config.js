// The interop suite runs by itself, with the settings of the unit tests.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

export default { ...manifest.ava, files: ['interop/**/*.spec.ts'] }
