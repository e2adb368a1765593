// The declarations of the packed package in a user's project, with each pair of TypeScript and @types/node below, both in their newest
// release. Three programs are compiled: __test__/types/user.mts, one that names every export, and one that names every type of node:net; and
// the documentation's blocks, with the newest release of the libraries that they use. The suite `types-matrix` compiles each pair with some kinds of modules; the suite `types-all` has more versions, and every kind.
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { programsIn } from './blocks.js'
import { command, root } from './command.js'
import { skipped, Tally } from './outcome.js'
import { npm, quiet } from './releases.js'

const home = join(root, 'target', 'types')
const minutes = 60_000
const day = 24 * 60 * minutes

const majorsOfTypes = [20, 22, 24, 26]
const compilers = ['5.4', '5.9', '6', '7']
const moreCompilers = ['5.5', '5.6', '5.7', '5.8']

/** The libraries that the documentation's blocks import. */
const libraries = ['undici', 'vscode-jsonrpc']

/**
 * The kinds of modules, with the first TypeScript that has them. The suite that is limited in time leaves out the last two. Before
 * TypeScript 6, `commonjs` finds an entry's types by package.json's `typesVersions` alone, because it does not read `exports`.
 */
const kinds = [
  { name: 'commonjs', since: 5.4, before: 6 },
  { name: 'nodenext', since: 5.4 },
  { name: 'bundler', since: 5.4 },
  { name: 'node16', since: 5.4 },
  { name: 'node18', since: 5.8, isLong: true },
  { name: 'node20', since: 5.9, isLong: true },
]

/**
 * Pairs whose @types/node has errors of its own: it asks for TypeScript 5.6, and streams cannot be iterated with an older one. Declarations
 * are not checked there, and user.mts is left out.
 */
const unchecked = [
  { compiler: '5.4', types: 26 },
  { compiler: '5.5', types: 26 },
]

const isUnchecked = ({ compiler, types }) =>
  unchecked.some(pair => pair.compiler === compiler && pair.types === types)

const compilerFolder = compiler => join(home, 'node_modules', `typescript-${compiler}`)
const typesFolder = types => join(home, 'node_modules', `types-node-${types}`)
const versionOf = folder => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version

/** Installs the newest releases; those of an earlier run count for a day. */
async function install(names) {
  const stamp = join(home, 'installed')
  const isFresh = existsSync(stamp) && Date.now() - Number(readFileSync(stamp, 'utf8')) < day
  const hasAll =
    names.every(name => existsSync(compilerFolder(name))) &&
    libraries.every(name => existsSync(join(home, 'node_modules', name)))
  if (isFresh && hasAll) return
  rmSync(join(home, 'node_modules'), { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  await npm([
    'install',
    '--prefix',
    home,
    '--ignore-scripts',
    ...quiet,
    ...names.map(name => `typescript-${name}@npm:typescript@${name}`),
    ...majorsOfTypes.map(types => `types-node-${types}@npm:@types/node@${types}`),
    ...libraries,
  ])
  writeFileSync(stamp, String(Date.now()))
}

/** Returns the paths of the declarations in the package, and package.json's. */
async function packed() {
  const { files } = JSON.parse(await npm(['pack', root, '--dry-run', '--json', '--ignore-scripts']))[0]
  return files.map(({ path }) => path).filter(path => /\.d\.[cm]?ts$/.test(path) || path === 'package.json')
}

const require = createRequire(import.meta.url)
const entries = { index: 'udsock', net: 'udsock/net', http: 'udsock/http', dgram: 'udsock/dgram' }

/** A program that names every export of the entries: values as the package has them, types as the declarations list them. */
function exportsProgram() {
  return Object.entries(entries)
    .map(([entry, specifier]) => {
      const values = Object.keys(require(join(root, 'lib', `${entry}.cjs`))).filter(
        name => name !== 'default',
      )
      const declarations = readFileSync(join(root, 'lib', `${entry}.d.cts`), 'utf8')
      const types = [...declarations.matchAll(/\btype (?:\w+ as )?(\w+)[,\s]*(?=[,}])/g)].map(
        match => match[1],
      )
      const used = types.map((name, at) => `export type ${entry}${at} = ${entry}.${name}`)
      return `import * as ${entry} from '${specifier}'\nexport const ${entry}Values = [${values
        .map(name => `${entry}.${name}`)
        .join(', ')}]\n${used.join('\n')}\n`
    })
    .join('')
}

/** A program that names every type of node:net: as an export, and of the default import. */
function netProgram(types) {
  const text = readFileSync(join(typesFolder(types), 'net.d.ts'), 'utf8')
  const names = [
    ...new Set([...text.matchAll(/^ {4}(?:interface|type|class) (\w+)/gm)].map(match => match[1])),
  ]
  const used = names.map((name, at) => `export type Both${at} = [${name}, net.${name}]`)
  return `import net, { type ${names.join(', type ')} } from 'udsock/net'\n${used.join('\n')}\n`
}

/** Makes a user's project with one @types/node; returns a hash of what is compiled there. */
function makeProject(types, declarations) {
  const project = join(home, `project-${types}`)
  rmSync(project, { recursive: true, force: true })
  for (const file of declarations) cpSync(join(root, file), join(project, 'node_modules', 'udsock', file))
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true })
  symlinkSync(typesFolder(types), join(project, 'node_modules', '@types', 'node'))
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  const programs = {
    user: readFileSync(join(root, '__test__', 'types', 'user.mts'), 'utf8'),
    exports: exportsProgram(),
    net: netProgram(types),
  }
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(project, `${name}.mts`), text)
    writeFileSync(join(project, `${name}.cts`), text)
  }
  const required = Object.entries(entries).map(
    ([name, specifier]) => `import ${name} = require('${specifier}')\n`,
  )
  writeFileSync(join(project, 'required.cts'), `${required.join('')}export const all = [index, net, http]\n`)
  writeFileSync(join(project, 'empty.mts'), "import * as net from 'node:net'\nexport { net }\n")
  const documentation = languages.map(programsIn)
  for (const [at, language] of languages.entries()) {
    mkdirSync(join(project, language))
    for (const { name, text } of documentation[at]) writeFileSync(join(project, language, name), text)
  }
  const hash = createHash('sha256').update(JSON.stringify([programs, documentation]))
  for (const name of libraries) hash.update(versionOf(join(home, 'node_modules', name)))
  for (const file of declarations) hash.update(readFileSync(join(root, file)))
  return hash.update(readFileSync(join(root, 'scripts', 'types.js'))).digest('hex')
}

/** Runs the compiler in the project of `types`. */
function compile({ compiler, types, kind, checksLibraries, files, isStrict = true }) {
  const project = join(home, `project-${types}`)
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    ...(kind === 'bundler' ? { module: 'esnext', moduleResolution: 'bundler' } : { module: kind }),
    types: ['node'],
    strict: isStrict,
    exactOptionalPropertyTypes: isStrict,
    noUncheckedIndexedAccess: isStrict,
    noEmit: true,
    skipLibCheck: !checksLibraries,
  }
  const config = join(project, `tsconfig.${compiler}.${kind}.${basename(files[0])}.json`)
  const isFolder = files.every(file => languages.includes(file))
  writeFileSync(config, JSON.stringify({ compilerOptions, [isFolder ? 'include' : 'files']: files }))
  const program = join(compilerFolder(compiler), 'bin', 'tsc')
  return command(process.execPath, [program, '--project', config], { timeout: 5 * minutes })
}

/** The languages of the documentation's blocks, which are folders of a project. */
const languages = ['js', 'ts']
const modules = ['user.mts', 'exports.mts', 'net.mts']
const commonJs = ['user.cts', 'exports.cts', 'net.cts', 'required.cts']
// A bundler's sources are ES modules.
const filesOfKind = { bundler: modules, commonjs: commonJs }
const filesFor = kind => filesOfKind[kind] ?? [...modules, ...commonJs]

/** Returns what to compile: a name, a key that changes with everything that it depends on, and how to check it. */
function itemsOf(names, isLong, hashes) {
  const items = []
  for (const types of majorsOfTypes)
    for (const compiler of names) {
      const pair = { compiler, types }
      const versions = [versionOf(compilerFolder(compiler)), versionOf(typesFolder(types)), hashes.get(types)]
      const add = (label, options, isExpected) =>
        items.push({
          name: `TypeScript ${versions[0]}, @types/node ${versions[1]}, ${label}`,
          key: createHash('sha256')
            .update(JSON.stringify([label, options, versions]))
            .digest('hex'),
          run: async () => {
            const { code, output } = await compile(options)
            return { ok: isExpected(code), output }
          },
        })
      if (isUnchecked(pair))
        add(
          'which has errors of its own (scripts/types.js lists the pair)',
          { ...pair, kind: 'nodenext', checksLibraries: true, files: ['empty.mts'] },
          code => code !== 0,
        )
      for (const { name: kind, since, before = Infinity, isLong: onlyLong = false } of kinds) {
        const isKnown = Number(compiler) >= since && Number(compiler) < before
        if (!isKnown || (onlyLong && !isLong)) continue
        const checksLibraries = !isUnchecked(pair) && (isLong || kind === 'nodenext')
        const files = filesFor(kind).filter(file => !isUnchecked(pair) || !file.startsWith('user'))
        const options = { ...pair, kind, checksLibraries, files }
        add(kind, options, code => code === 0)
        if (isUnchecked(pair) || (kind !== 'nodenext' && !isLong)) continue
        for (const language of languages) {
          const blocks = { ...pair, kind, checksLibraries: false, files: [language] }
          // What users write in JavaScript is not strict.
          const isStrict = language === 'ts'
          add(`${kind}, the documentation's ${language}`, { ...blocks, isStrict }, code => code === 0)
        }
      }
    }
  return items
}

/** Compiles what was not compiled before, as many at a time as there are processors. */
async function runMatrix(names, isLong, onCount) {
  try {
    onCount('installing')
    await install(names)
  } catch (error) {
    return skipped(`all of it: ${error.message}`)
  }
  const declarations = await packed()
  const hashes = new Map(majorsOfTypes.map(types => [types, makeProject(types, declarations)]))
  const passed = join(home, 'passed')
  mkdirSync(passed, { recursive: true })
  const known = new Set(readdirSync(passed))
  const items = itemsOf(names, isLong, hashes)
  const tally = new Tally()
  const waiting = items.filter(({ key }) => !known.has(key))
  tally.passed = items.length - waiting.length
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const { ok, output } = await item.run()
      tally.check(item.name, ok, output)
      if (ok) writeFileSync(join(passed, item.key), '')
      onCount(`${tally.passed + tally.failed} of ${items.length}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return tally
}

export const typesMatrix = { name: 'types-matrix', run: onCount => runMatrix(compilers, false, onCount) }
export const typesAll = {
  name: 'types-all',
  run: onCount => runMatrix([...compilers, ...moreCompilers], true, onCount),
}
