// The tests' certificate, which Node.js 20 cannot import: its file is TypeScript.
import { readFileSync } from 'node:fs'

const source = readFileSync(new URL('../__test__/helpers/certificate.ts', import.meta.url), 'utf8')
const constant = name => new RegExp(`const ${name} = \`([^\`]*)\``).exec(source)[1]

/** For the name 'udsock.test'. */
export const certificate = { key: constant('key'), cert: constant('cert') }
export const certified = 'udsock.test'
