// The package as users install it: the tarballs of `npm pack` in an empty project.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './command.js'
import { home, npm, quiet } from './releases.js'

const json = file => JSON.parse(readFileSync(file, 'utf8'))

/** Returns the folder under npm/ of the platform whose addon is built. */
function platformFolder() {
  const all = readdirSync(join(root, 'npm')).map(name => join(root, 'npm', name))
  const folders = all.filter(folder => existsSync(join(folder, 'package.json')))
  const built = folders.find(folder => existsSync(join(root, json(join(folder, 'package.json')).main)))
  if (built === undefined) throw new Error('no addon is built: npm run build:native')
  return built
}

/** Packs this package and its platform's into an empty folder. Returns the tarballs, `main` and `platform`, and the platform's name. */
export async function packTo(packages) {
  rmSync(packages, { recursive: true, force: true })
  mkdirSync(packages, { recursive: true })
  const folder = join(packages, 'platform')
  cpSync(platformFolder(), folder, { recursive: true })
  const { name, main: addon } = json(join(folder, 'package.json'))
  cpSync(join(root, addon), join(folder, addon))
  const pack = async source =>
    join(packages, await npm(['pack', source, '--silent', '--pack-destination', packages]))
  return { main: await pack(root), platform: await pack(folder), platformName: name }
}

/**
 * Makes the project from scratch: this package and its platform's, packed and installed, and beside them the
 * tests, whose `../../index.js` re-exports the installed package. Returns its folder.
 */
async function makeProject() {
  const project = join(home, 'project')
  rmSync(project, { recursive: true, force: true })
  mkdirSync(project, { recursive: true })
  const { main, platform } = await packTo(join(home, 'packages'))
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  await npm(['install', '--prefix', project, '--offline', ...quiet, main, platform])
  for (const name of ['__test__', 'examples', 'README.md', 'ava.config.js']) {
    cpSync(join(root, name), join(project, name), { recursive: true })
  }
  // Tests of internal modules import them from dist/, which loads the installed package's addon.
  cpSync(join(root, 'dist'), join(project, 'dist'), { recursive: true })
  cpSync(join(root, 'addon.cjs'), join(project, 'addon.cjs'))
  // Specs about this repository are left out.
  for (const spec of [
    'benchmark-results',
    'benchmark-targets',
    'declarations',
    'documentation',
    'publish',
    'releases',
    'releasing',
    'security',
  ])
    rmSync(join(project, '__test__', 'project', `${spec}.spec.ts`))
  for (const folder of ['long', 'leak', 'ecosystem', 'faults', 'panics', 'asan'])
    rmSync(join(project, '__test__', folder), { recursive: true })
  // Deno reads its configuration from the folder of the program.
  cpSync(join(root, 'scripts', 'ava.js'), join(project, 'ava.js'))
  writeFileSync(join(project, 'index.js'), "export * from 'udsock'\n")
  writeFileSync(join(project, 'net.js'), "export * from 'udsock/net'\nexport { default } from 'udsock/net'\n")
  writeFileSync(join(project, 'http.js'), "export * from 'udsock/http'\n")
  writeFileSync(join(project, 'dgram.js'), "export * from 'udsock/dgram'\n")
  // The tests import './helpers.js', as TypeScript requires, while the file is helpers.ts.
  writeFileSync(join(project, 'deno.json'), JSON.stringify({ unstable: ['sloppy-imports'] }))
  return project
}

let made
export const installedProject = () => (made ??= makeProject())
