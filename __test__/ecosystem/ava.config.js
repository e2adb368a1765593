// The libraries' suite runs by itself, with the settings of the unit tests, in plain JavaScript as their users write it.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default {
  ...manifest.ava,
  extensions: { ts: 'module', js: true },
  files: ['__test__/ecosystem/*.spec.js'],
}
