// What users get: the packages that `npm pack` makes, installed into an empty project, and other runtimes from npm.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const home = join(root, 'target', 'runtimes')
const quiet = ['--no-save', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
const INSTALL_TIMEOUT = 10 * 60_000

const json = file => JSON.parse(readFileSync(file, 'utf8'))

async function npm(...args) {
  const { code, stdout, output } = await command('npm', args, { timeout: INSTALL_TIMEOUT })
  if (code !== 0) throw new Error(`npm ${args[0]} failed: ${output.trim()}`)
  return stdout.trim()
}

/** The program `file` of a package from npm, which is kept in a folder of its own. Rejects when it cannot be installed. */
export async function installedProgram(specifier, file) {
  const folder = join(home, specifier)
  const program = join(folder, 'node_modules', file)
  const stamp = join(folder, 'installed')
  if (existsSync(stamp)) return program
  mkdirSync(folder, { recursive: true })
  await npm('install', '--prefix', folder, ...quiet, specifier)
  const started = await command(program, ['--version'], { timeout: 60_000 })
  if (started.code !== 0) throw new Error(`${specifier} does not start: ${started.output.trim()}`)
  writeFileSync(stamp, started.stdout)
  return program
}

/** The folder under npm/ of the platform whose addon is built here. */
function platformFolder() {
  const folders = readdirSync(join(root, 'npm')).map(name => join(root, 'npm', name))
  const built = folders.find(folder => existsSync(join(root, json(join(folder, 'package.json')).main)))
  if (built === undefined) throw new Error('no addon is built: npm run build:native')
  return built
}

/**
 * Makes the project anew, once per process: this package and its platform's, packed and installed, and beside them the
 * tests, for which the entry of the checkout leads to the installed package. Gives its folder.
 */
async function makeProject() {
  const [project, packages] = [join(home, 'project'), join(home, 'packages')]
  for (const folder of [project, packages]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
  }
  const platform = join(packages, 'platform')
  cpSync(platformFolder(), platform, { recursive: true })
  const addon = json(join(platform, 'package.json')).main
  cpSync(join(root, addon), join(platform, addon))
  const tarballs = []
  for (const folder of [root, platform]) {
    tarballs.push(join(packages, await npm('pack', folder, '--silent', '--pack-destination', packages)))
  }

  const { ava } = json(join(root, 'package.json'))
  const own = { private: true, type: 'module', ava }
  writeFileSync(join(project, 'package.json'), JSON.stringify(own))
  await npm('install', '--prefix', project, '--offline', ...quiet, ...tarballs)
  for (const name of ['__test__', 'examples', 'README.md']) {
    cpSync(join(root, name), join(project, name), { recursive: true })
  }
  // What the tests take from inside the package is the installed one's; what is of this repository alone stays here.
  symlinkSync(join('node_modules', 'udsock', 'dist'), join(project, 'dist'))
  for (const spec of ['publish', 'security']) rmSync(join(project, '__test__', `${spec}.spec.ts`))
  for (const folder of ['long', 'leak', 'ecosystem', 'faults', 'panics', 'asan'])
    rmSync(join(project, '__test__', folder), { recursive: true })
  // Deno takes its configuration from beside the program that it is given.
  cpSync(join(root, 'scripts', 'ava.js'), join(project, 'ava.js'))
  writeFileSync(join(project, 'index.js'), "export * from 'udsock'\n")
  writeFileSync(join(project, 'net.js'), "export * from 'udsock/net'\nexport { default } from 'udsock/net'\n")
  writeFileSync(join(project, 'http.js'), "export * from 'udsock/http'\n")
  // The tests import './helpers.js', as TypeScript wants it, and the file is helpers.ts.
  writeFileSync(join(project, 'deno.json'), JSON.stringify({ unstable: ['sloppy-imports'] }))
  return project
}

let made
export const installedProject = () => (made ??= makeProject())
