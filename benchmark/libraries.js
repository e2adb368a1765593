// Libraries that take part in workloads. They are installed with those of the ecosystem's tests and are no dependency of the package.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const from = createRequire(new URL('../__test__/ecosystem/package.json', import.meta.url))

/** Loads a library. Throws if it is not installed. */
export const library = name => from(name)

/** Whether it is installed. */
export function hasLibrary(name) {
  try {
    from.resolve(name)
    return true
  } catch {
    return false
  }
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where npm puts a package whose addon is built for a version of Node.js. */
export const addonFolder = (name, version) =>
  join(root, 'target', 'addons', `${name}-node-${version.split('.')[0]}`)

/** Loads such a package. Throws if it is not installed. */
export const addonPeer = name =>
  createRequire(join(addonFolder(name, process.versions.node), 'package.json'))(name)
