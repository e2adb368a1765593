// These run on an addon of their own, which panics where a test wants it: `npm run test:panics` builds it.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default { ...manifest.ava, files: ['__test__/panics/**/*.spec.ts'] }
