// Addons with a feature that only tests want, each in a target folder of its own: cargo keeps one file of a cdylib, whatever
// its features. They end up at target/<feature>/udsock.node.
import { copyFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const TIMEOUT = 10 * 60_000
const library = process.platform === 'darwin' ? 'libudsock_node.dylib' : 'libudsock_node.so'

/** What cargo said, as `command` has it. */
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
  // Never over a file that a process may have mapped.
  const next = join(folder, `next-${process.pid}.node`)
  copyFileSync(join(folder, 'release', library), next)
  renameSync(next, join(folder, 'udsock.node'))
  return result
}
