// A `require()` with which packages that require unix-dgram get ours in its place, as by npm's `overrides`.
import Module, { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const replaced = {
  'unix-dgram': fileURLToPath(new URL('../../npm/unix-dgram/index.cjs', import.meta.url)),
  'udsock/dgram': fileURLToPath(new URL('../../lib/dgram.cjs', import.meta.url)),
}
const resolve = Module._resolveFilename
Module._resolveFilename = (request, ...others) => replaced[request] ?? resolve(request, ...others)

export const require = createRequire(import.meta.url)
