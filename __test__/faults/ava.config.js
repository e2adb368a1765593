// Tests of an addon whose system calls fail by rule run by themselves, with the settings of the others and more patience.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default { ...manifest.ava, files: ['__test__/faults/**/*.spec.ts'], timeout: '5m', concurrency: 1 }
