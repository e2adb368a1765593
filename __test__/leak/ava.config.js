// The leak tests run by themselves, one after the other, with the settings of the others and more patience.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default { ...manifest.ava, files: ['__test__/leak/*.spec.ts'], timeout: '10m', concurrency: 1 }
