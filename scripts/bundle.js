// Makes lib/, the package's code as users load it: one CommonJS implementation in chunks that the entries share, source maps, an
// ES module per entry that re-exports the names, and the declarations of all.
import { createRequire } from 'node:module'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { rolldown, RolldownMagicString } from 'rolldown'
import { root } from './command.js'
import { codeSplitting, lateChunk } from './late-chunk.js'

const lib = join(root, 'lib')
const entries = { index: 'index', net: 'net/index', http: 'http/index', dgram: 'dgram/index' }
const addon = 'addon.cjs'

rmSync(lib, { recursive: true, force: true })

const bundle = await rolldown({
  input: Object.fromEntries(
    Object.entries(entries).map(([name, source]) => [name, join(root, 'src', `${source}.ts`)]),
  ),
  platform: 'node',
  tsconfig: join(root, 'tsconfig.json'),
  resolve: { extensionAlias: { '.js': ['.ts'] } },
  // What the bundler needs to know for chunks that require each other. The entries export nothing else all the same.
  preserveEntrySignatures: 'allow-extension',
  plugins: [
    lateChunk,
    {
      name: 'addon',
      resolveId: id => (id.endsWith(`/${addon}`) ? { id: `../${addon}`, external: 'relative' } : undefined),
      // A file of its own would take longer to find and to read. The addon of a checkout is in the folder above.
      renderChunk(code) {
        const call = `require("../${addon}")`
        const start = code.indexOf(call)
        if (start === -1) return null
        const loader = readFileSync(join(root, addon), 'utf8').replaceAll("require('./", "require('../")
        const text = new RolldownMagicString(code)
        const evaluated = `(() => {\nconst exports = {};\n${loader}\nreturn exports;\n})()`
        return text.update(start, start + call.length, evaluated)
      },
    },
  ],
  onLog: (level, log) => {
    if (level === 'warn') throw new Error(log.message)
  },
})
await bundle.write({
  dir: lib,
  format: 'cjs',
  exports: 'named',
  esModule: false,
  sourcemap: true,
  comments: false,
  // The package stays below 300 kB; names of functions and classes stay, for stack traces.
  minify: { compress: true, mangle: { keepNames: true }, codegen: { removeWhitespace: true } },
  generatedCode: { symbols: false },
  // A getter for each name that chunks share would cost time, and no export changes.
  externalLiveBindings: false,
  codeSplitting,
  keepNames: true,
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name]-[hash].cjs',
})
await bundle.close()

const require = createRequire(import.meta.url)

/** Returns { file, pairs } of an entry that only gives the exports of another chunk their names, or else undefined. */
function renamedChunk(name) {
  const code = readFileSync(join(lib, `${name}.cjs`), 'utf8').replace(/\n\/\/#.*/, '')
  const [head, ...rest] = code.trim().split(/[,;](?=exports|$)/)
  const file = /^const \w+=require\("(.*)"\)$/.exec(head)?.[1]
  const pairs = rest.filter(Boolean).map(statement => /^exports\.(\w+)=\w+\.(\w+)$/.exec(statement)?.slice(1))
  return file !== undefined && pairs.every(Boolean) ? { file, pairs } : undefined
}

/**
 * Writes the ES modules of an entry: `.static.js` for bundlers, which follow an import, and `.js` for runtimes, because a `require` takes
 * Node 20 less time than an import of CommonJS. nft follows it by the name `require`. Names are listed one by one: runtimes and bundlers differ in what they find in CommonJS.
 */
function writeModules(name) {
  const names = Object.keys(require(join(lib, `${name}.cjs`))).toSorted()
  const hasDefault = names.includes('default')
  const named = names.filter(each => each !== 'default')
  const end = [`export const { ${named.join(', ')} } = implementation`]
  const types = [`export * from './${name}.cjs'`]
  if (hasDefault) {
    end.push('export default implementation.default')
    types.push(`export { default } from './${name}.cjs'`)
  }
  const renamed = renamedChunk(name)
  const forRuntimes = renamed
    ? [
        `export const { ${renamed.pairs.map(([to, from]) => `${from}: ${to}`).join(', ')} } = require('${renamed.file}')`,
      ]
    : [`const implementation = require('./${name}.cjs')`, ...end]
  const modules = {
    js: [
      "import { createRequire } from 'node:module'",
      '',
      'const require = createRequire(import.meta.url)',
      ...forRuntimes,
    ],
    'static.js': [`import implementation from './${name}.cjs'`, '', ...end],
  }
  for (const [extension, code] of Object.entries(modules))
    writeFileSync(join(lib, `${name}.${extension}`), `${code.join('\n')}\n`)
  writeFileSync(join(lib, `${name}.d.ts`), `${types.join('\n')}\n`)
}

const specifiers = /(from |import\()['"](\.[^'"]*)\.js['"]/g

/** Copies a declaration file and those that it imports from dist/ to lib/, as declarations of CommonJS. */
function copyDeclarations(file, to, done) {
  if (done.has(file)) return
  done.add(file)
  const text = readFileSync(join(root, 'dist', `${file}.d.ts`), 'utf8').replace(
    /\n\/\/# sourceMappingURL.*/,
    '',
  )
  if (text.includes('binding.cjs'))
    throw new Error(
      `a public declaration imports ${file}.d.ts, and with it the binding's, which is not packed`,
    )
  const targetOf = specifier => posix.join(posix.dirname(file), specifier)
  // The entry of a folder moves up to lib/.
  const moved = text.replace(specifiers, (_, keyword, specifier) => {
    const relative = posix.relative(posix.dirname(to), targetOf(specifier))
    return `${keyword}'${relative.startsWith('.') ? relative : `./${relative}`}.cjs'`
  })
  // Half of tsc's indentation is less to install.
  const indented = moved.replace(/^( {4})+/gm, spaces => ' '.repeat(spaces.length / 2))
  mkdirSync(dirname(join(lib, to)), { recursive: true })
  writeFileSync(join(lib, `${to}.d.cts`), indented)
  for (const [, , specifier] of text.matchAll(specifiers))
    copyDeclarations(targetOf(specifier), targetOf(specifier), done)
}

const done = new Set()
for (const [name, source] of Object.entries(entries)) {
  writeModules(name)
  copyDeclarations(source, name, done)
}
