// Addons with a feature for tests alone, each in a target folder of its own: cargo keeps one file of a cdylib, whatever
// its features. They end up at target/<feature>/udsock.node.
import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const TIMEOUT = 10 * 60_000
const library = process.platform === 'darwin' ? 'libudsock_node.dylib' : 'libudsock_node.so'

/** Builds the addon with `feature`. Returns the result of cargo's `command()`. */
export async function buildAddon(feature) {
  const folder = join(root, 'target', feature)
  const args = [
    'build',
    '--release',
    '--package',
    'udsock-node',
    '--features',
    feature,
    '--target-dir',
    folder,
  ]
  const result = await command('cargo', args, { timeout: TIMEOUT })
  if (result.code !== 0) return result
  // A rename, because a process may have mapped the old file.
  const next = join(folder, `next-${process.pid}.node`)
  copyFileSync(join(folder, 'release', library), next)
  renameSync(next, join(folder, 'udsock.node'))
  return result
}
