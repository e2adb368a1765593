// The documentation as a site, by VitePress, which npm installs into target/site: the repository does not depend on it.
//   npm run docs               builds the site and serves it on loopback
//   npm run docs -- --build    builds it, and fails on a dead link
// The suite `site` also looks at every page in a browser (site-browser.js).
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join, posix } from 'node:path'
import { parseArgs } from 'node:util'
import { command, root } from './command.js'
import { checked, skipped } from './outcome.js'

const docs = join(root, 'docs')
const home = join(root, 'target', 'site')
const pages = join(home, 'pages')
const vitepress = 'vitepress@1.6.4'
/** What makes the reference from the declarations. It needs a TypeScript that has the compiler's API. */
const typedoc = [
  'typedoc@0.28.20',
  'typedoc-plugin-markdown@4.14.1',
  'typescript@5.9.3',
  '@types/node@20.19.43',
]
/** Chromium as a package of npm, for Linux on x64, and what drives it. */
const browser = ['@sparticuz/chromium@147.0.0', 'puppeteer-core@24.43.1']
const repository = 'https://github.com/udsock/udsock'
const minutes = 60_000

/** Returns what a link of a page is on the site: files outside of docs are on GitHub, and charts are copied. */
function siteLink(link) {
  if (!link.startsWith('../')) return link.replace(/^README\.md/, 'index.md')
  const [path, anchor] = posix.join('docs', link).split('#')
  if (path.endsWith('.svg')) {
    mkdirSync(join(pages, 'public'), { recursive: true })
    cpSync(join(root, path), join(pages, 'public', basename(path)))
    return `/${basename(path)}`
  }
  const kind = statSync(join(root, path)).isDirectory() ? 'tree' : 'blob'
  return `${repository}/${kind}/main/${path}${anchor === undefined ? '' : `#${anchor}`}`
}

/** Returns the anchor of a heading, as GitHub makes it. */
const slugify = text =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** Returns the link of the reference of an entry. An entry with namespaces gets a folder. */
const referenceOf = name =>
  existsSync(join(pages, 'reference', name))
    ? `/reference/${name}/modules`
    : `/reference/${name.replace(/^index$/, '')}`

/** Returns the sidebar: the list of the index, and the generated reference. */
function sidebar() {
  const entries = readFileSync(join(docs, 'README.md'), 'utf8').matchAll(/^- \[([^\]]+)\]\(([^)]+)\.md\)/gm)
  const reference = Object.entries(entryFiles).map(([text, name]) => ({ text, link: referenceOf(name) }))
  return [
    ...[...entries].map(([, text, page]) => ({ text, link: `/${page}` })),
    { text: 'Declarations', collapsed: false, items: reference },
  ]
}

const configuration = () => ({
  title: 'udsock',
  description: 'Unix-domain sockets for Node.js, Bun and Deno, with a Rust core',
  themeConfig: {
    sidebar: sidebar(),
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    outline: [2, 3],
  },
})

/** Copies the pages, with links as the site needs them. */
function writePages() {
  rmSync(pages, { recursive: true, force: true })
  mkdirSync(join(pages, '.vitepress'), { recursive: true })
  for (const file of readdirSync(docs).filter(name => name.endsWith('.md'))) {
    const text = readFileSync(join(docs, file), 'utf8').replace(
      /\]\((?![a-z]+:|#)([^)\s]+)\)/g,
      (_, link) => `](${siteLink(link)})`,
    )
    writeFileSync(join(pages, file === 'README.md' ? 'index.md' : file), text)
  }
}

/** The package's entries, and the names of their declarations. */
const entryFiles = { udsock: 'index', 'udsock/net': 'net', 'udsock/http': 'http', 'udsock/dgram': 'dgram' }

/** Writes the reference of the declarations into the pages. */
function writeReference() {
  const files = Object.values(entryFiles).map(name => join(root, `${name}.d.ts`))
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
  }
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const options = {
    entryPoints: files,
    tsconfig: 'tsconfig.json',
    plugin: ['typedoc-plugin-markdown'],
    out: 'pages/reference',
    readme: 'none',
    router: 'module',
    entryFileName: 'modules',
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    disableSources: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    // Its own anchors differ from those of the headings: `Descriptor.kind` and `DescriptorKind` would be one.
    useHTMLAnchors: true,
    skipErrorChecking: true,
    logLevel: 'Error',
  }
  writeFileSync(join(home, 'typedoc.json'), JSON.stringify(options))
  return command(process.execPath, [join('node_modules', 'typedoc', 'bin', 'typedoc')], {
    cwd: home,
    timeout: 2 * minutes,
  })
}

/** Installs packages, unless they are there. */
function install(...packages) {
  mkdirSync(home, { recursive: true })
  const isThere = packages.every(name =>
    existsSync(join(home, 'node_modules', name.replace(/(.)@.*$/, '$1'))),
  )
  if (isThere) return { code: 0, output: '' }
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  return command('npm', ['install', '--no-save', ...options, ...packages], {
    cwd: home,
    timeout: 3 * minutes,
  })
}

const run = (name, timeout) =>
  command(process.execPath, [join('node_modules', 'vitepress', 'bin', 'vitepress.js'), name, 'pages'], {
    cwd: home,
    timeout,
    onStdout: name === 'preview' ? text => process.stdout.write(text) : undefined,
  })

async function build() {
  writePages()
  const reference = await writeReference()
  if (reference.code !== 0) return reference
  writeFileSync(
    join(pages, '.vitepress', 'config.mjs'),
    `const slugify = ${slugify}\nexport default { ...${JSON.stringify(configuration(), null, 2)}, markdown: { anchor: { slugify } } }\n`,
  )
  const built = await run('build', 3 * minutes)
  const dead = built.code === 0 ? deadAnchors() : []
  return dead.length === 0 ? built : { ...built, code: 1, output: dead.join('\n') }
}

/** Returns the links of the built site that lead to no heading. VitePress itself reports links that lead to no page. */
function deadAnchors() {
  const dist = join(pages, '.vitepress', 'dist')
  const htmls = readdirSync(dist, { recursive: true }).filter(name => name.endsWith('.html'))
  const texts = new Map(htmls.map(name => [name, readFileSync(join(dist, name), 'utf8')]))
  const dead = []
  for (const [name, text] of texts)
    for (const [, page, anchor] of text.matchAll(/href="([\w./-]*)#([^"]+)"/g)) {
      const path = posix.join('/', page.startsWith('/') ? '' : posix.dirname(name), page).slice(1)
      const target = texts.get(page === '' ? name : path.replace(/(?:\.html)?$/, '.html'))
      if (target !== undefined && !target.includes(`id="${decodeURIComponent(anchor)}"`))
        dead.push(`${name}: no heading for ${page}#${anchor}`)
    }
  return dead
}

/** The suite: the site builds, and has no dead link. */
export const siteSuite = {
  name: 'site',
  run: async onCount => {
    onCount('npm install')
    const installed = await install(vitepress, ...typedoc, ...browser)
    if (installed.code !== 0) return skipped(`all of it: npm could not install ${vitepress}`)
    onCount('vitepress build')
    const built = checked(await build())
    if (built.failed > 0) return built
    onCount('browser')
    return lookedAt(built)
  },
}

/** Adds to the outcome what a browser shows. */
async function lookedAt(built) {
  cpSync(join(root, 'scripts', 'site-browser.js'), join(home, 'browser.js'))
  const temporary = join(home, 'temporary')
  mkdirSync(temporary, { recursive: true })
  const args = ['browser.js', join(pages, '.vitepress', 'dist')]
  const env = { TMPDIR: temporary }
  const result = await command(process.execPath, args, { cwd: home, env, timeout: 10 * minutes })
  const [missing] = result.stdout.match(/^not looked at: .*$/m) ?? []
  if (missing !== undefined) return { ...built, skipped: [missing] }
  const { passed, failed, output } = checked(result)
  return { passed: built.passed + passed, failed, skipped: [], output }
}

async function main() {
  const { values } = parseArgs({ options: { build: { type: 'boolean', default: false } } })
  for (const step of [() => install(vitepress, ...typedoc), build]) {
    const { code, output } = await step()
    if (code !== 0) {
      console.error(output)
      process.exitCode = 1
      return
    }
  }
  console.log(`built: ${join(pages, '.vitepress', 'dist')}`)
  if (!values.build) await run('preview', 0)
}

if (process.argv[1] === import.meta.filename) await main()
