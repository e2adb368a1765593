// Builds the addon whose system calls fail by rule, to target/faults/udsock.node: for tests, never for a release.
import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { command, root } from './command.js'

const TIMEOUT = 10 * 60_000
const library = process.platform === 'darwin' ? 'libudsock_node.dylib' : 'libudsock_node.so'

/** What cargo said, as `command` has it. With the checks of a debug build. */
export async function buildFaultsAddon() {
  const args = ['build', '--package', 'udsock-node', '--features', 'faults']
  const result = await command('cargo', args, { timeout: TIMEOUT })
  if (result.code !== 0) return result
  const built = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug', library)
  const folder = join(root, 'target', 'faults')
  mkdirSync(folder, { recursive: true })
  // Not over the old one, which may be in use.
  const next = join(folder, `next-${process.pid}.node`)
  copyFileSync(built, next)
  renameSync(next, join(folder, 'udsock.node'))
  return result
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { code, output } = await buildFaultsAddon()
  if (code !== 0) console.error(output)
  process.exitCode = code
}
