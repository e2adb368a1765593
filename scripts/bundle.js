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

/**
 * Writes the ES module of an entry, and its types. There is one for every runtime and bundler: a tool may find the files to deploy under other
 * conditions than those of the runtime. It imports the CommonJS, because bundlers do not follow `createRequire`. Names are listed one by
 * one: runtimes and bundlers differ in what they find in CommonJS.
 */
function writeModule(name) {
  const names = Object.keys(require(join(lib, `${name}.cjs`))).toSorted()
  const named = names.filter(each => each !== 'default')
  const code = [
    `import implementation from './${name}.cjs'`,
    '',
    `export const { ${named.join(', ')} } = implementation`,
  ]
  const types = [`export * from './${name}.cjs'`]
  if (names.includes('default')) {
    code.push('export default implementation.default')
    types.push(`export { default } from './${name}.cjs'`)
  }
  writeFileSync(join(lib, `${name}.js`), `${code.join('\n')}\n`)
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
  writeModule(name)
  copyDeclarations(source, name, done)
}
