// The long tests run by themselves, with the settings of the others and more patience.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default { ...manifest.ava, files: ['__test__/long/**/*.spec.ts'], timeout: '10m', concurrency: 1 }
