import { execFile } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import * as http from '../../http.js'
import * as udsock from '../../index.js'
import * as net from '../../net.js'
import { blocks, guides, pages, programsIn } from '../../scripts/blocks.js'
import { runs } from '../helpers/program.js'
import { printed, project, projectWithExamples, root } from '../helpers/project.js'

const execute = promisify(execFile)
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const filesIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(root, join(entry.parentPath ?? entry.path, entry.name)))

/** The address of a file of this repository, in texts that are read elsewhere. */
const repository = 'https://github.com/udsock/udsock/'
const places = [
  `${repository}blob/main/`,
  `${repository}tree/main/`,
  'https://raw.githubusercontent.com/udsock/udsock/main/',
]

type Block = (typeof blocks)[number]
const place = ({ page, line }: Block): string => `${page}:${line}`

// Links.

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  const text = read(page).replace(/^```.*?^```$/gms, '')
  const anchors: string[] = []
  for (const [, heading] of text.matchAll(/^#+ (.*)$/gm)) {
    const words = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = words.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
    const again = anchors.filter(other => other === anchor || other.startsWith(`${anchor}-`)).length
    anchors.push(again === 0 ? anchor : `${anchor}-${again}`)
  }
  return anchors
}

/** Says what is wrong with a link; undefined: nothing, or it leads elsewhere. */
function deadLink(page: string, link: string): string | undefined {
  const prefix = places.find(start => link.startsWith(start))
  if (prefix === undefined && /^[a-z]+:/.test(link)) return undefined
  if (prefix === undefined && page === 'README.md')
    return `${link} is relative, which a registry's page does not resolve`
  const [path, anchor] = (prefix === undefined ? link : link.slice(prefix.length)).split('#')
  const target = resolve(
    root,
    prefix === undefined ? dirname(page) : '',
    path || relative(dirname(page), page),
  )
  if (!existsSync(target)) return `${link} does not exist`
  if (statSync(target).isDirectory()) return path!.endsWith('.md') ? `${link} is a directory` : undefined
  if (anchor !== undefined && !anchorsOf(relative(root, target)).includes(anchor))
    return `${link} has no such heading`
  return undefined
}

test('no link in the documentation is dead', t => {
  let count = 0
  for (const page of pages) {
    const text = read(page)
      .replace(/^```.*?^```$/gms, '')
      .replace(/`[^`\n]*`/g, '')
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      count++
      const problem = deadLink(page, link!)
      t.is(problem, undefined, `${page}: ${problem}`)
    }
  }
  t.true(count > 80)
})

test('every page of docs is linked from its index, and the index from the README', t => {
  const index = read('docs/README.md')
  for (const guide of guides) {
    const name = relative('docs', guide)
    if (name !== 'README.md') t.true(index.includes(`](${name})`), name)
    if (name !== 'README.md') t.true(read('README.md').includes(`docs/${name})`), name)
  }
})

// Programs.

test('the documentation shows the examples as they are, and all of them', async t => {
  await t.notThrowsAsync(execute(process.execPath, [join(root, 'scripts/embed-examples.js'), '--check']))
  const shown = new Set(
    blocks.flatMap(({ page, info }) =>
      info
        .filter(word => word.startsWith('file='))
        .map(word => join(dirname(page), word.slice('file='.length))),
    ),
  )
  const hidden = filesIn('examples').filter(
    file => !file.startsWith('examples/across-machines/') && !shown.has(file),
  )
  t.deepEqual(hidden, [])
})

/** Compiles blocks, and returns the compiler's complaints. */
async function compile(language: 'js' | 'ts'): Promise<string> {
  // Inside the package, where its own name leads to it.
  const home = join(root, 'target', 'documentation', language)
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  for (const { name, text } of programsIn(language)) writeFileSync(join(home, name), text)
  // The suite `types-matrix` compiles with the libraries' own declarations.
  writeFileSync(join(home, 'others.d.ts'), "declare module 'undici'\ndeclare module 'vscode-jsonrpc/node'\n")
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: language === 'ts',
    noEmit: true,
    skipLibCheck: true,
  }
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['.'] }))
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  return execute(compiler, ['--project', home]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
}

for (const language of ['js', 'ts'] as const)
  test(`every ${language} block of the documentation compiles`, async t => {
    t.timeout(60_000)
    t.is(await compile(language), '')
  })

/** Runs a block that has the word `run`, and compares what it prints with the block behind it. */
async function runBlock(t: ExecutionContext, block: Block): Promise<void> {
  const expected = blocks[blocks.indexOf(block) + 1]
  t.is(expected?.language, 'text', 'a block with the output comes next')
  const home = project(t)
  const isRacket = block.language === 'racket'
  const file = join(home, isRacket ? 'program.rkt' : 'program.mjs')
  writeFileSync(file, block.text)
  const output = isRacket
    ? (await execute('racket', [file], { cwd: home })).stdout
    : await printed(home, file)
  t.is(output, expected!.text)
}

for (const block of blocks.filter(({ info }) => info.includes('run'))) {
  const isPossible = block.language !== 'racket' || runs('racket', '--version')
  const needsLinux = block.text.includes('abstractName') && process.platform !== 'linux'
  ;(isPossible && !needsLinux ? test : test.skip)(`the program at ${place(block)} runs`, async t => {
    t.timeout(60_000)
    await runBlock(t, block)
  })
}

test('the TypeScript example runs', async t => {
  const loader = `--import=${import.meta.resolve('@oxc-node/core/register')}`
  t.is(await printed(projectWithExamples(t), loader, 'examples/typescript.ts'), 'ENOENT\ntyped\n')
})

test('the example of a test passes', async t => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await execute(process.execPath, ['--test', 'examples/temporary-path.test.js'], {
    cwd: projectWithExamples(t),
    env,
  })
  t.regex(stdout, /^.*pass 1$/m)
  t.regex(stdout, /^.*fail 0$/m)
})

// The reference.

const reference = read('docs/api.md')
/** Whether a code span of the reference has the name. */
const isNamed = (name: string): boolean => new RegExp(`\`[^\`\\n]*\\b${name}\\b[^\`\\n]*\``).test(reference)

test('docs/api.md names every export', t => {
  const values = [udsock, net, http].flatMap(entry => Object.keys(entry))
  const types = ['index.ts', 'net/members.ts', 'http/index.ts'].flatMap(file =>
    [...read(`src/${file}`).matchAll(/\btype (\w+)(?: as (\w+))?/g)].map(match => match[2] ?? match[1]!),
  )
  t.true(types.length > 20)
  for (const name of [...values, ...types]) t.true(name === 'default' || isNamed(name), name)
})

test('docs/api.md names every member of the public classes', t => {
  const { UnixSocket, UnixListener, FramedSocket, DatagramSocket, Descriptor } = udsock
  let count = 0
  for (const { name, prototype } of [UnixSocket, UnixListener, FramedSocket, DatagramSocket, Descriptor]) {
    for (let own: object = prototype; own !== Object.prototype; own = Object.getPrototypeOf(own) as object) {
      if (own === Duplex.prototype || own === EventEmitter.prototype) break
      for (const member of Object.getOwnPropertyNames(own)) {
        // Those of Node's classes are Node's to document.
        if (member.startsWith('_') || member in Duplex.prototype) continue
        count++
        t.true(isNamed(member), `${name}: ${member}`)
      }
    }
  }
  t.true(count > 30, String(count))
})

test('docs/api.md names every event', t => {
  const files = {
    ListenerEvents: 'listener.ts',
    MessageEvents: 'message-socket.ts',
    DatagramEvents: 'datagram-socket.ts',
  }
  for (const [name, file] of Object.entries(files)) {
    const [, members] = new RegExp(`interface ${name} \\{\\n(.*?)\\n\\}`, 's').exec(read(`src/${file}`))!
    const events = [...members!.matchAll(/^ {2}(\w+): \[/gm)].map(match => match[1]!)
    t.true(events.length > 4)
    for (const event of events) t.true(reference.includes(`| \`'${event}'\``), `${name}: ${event}`)
  }
})

test('docs/api.md names every code of the package', t => {
  const codes = new Set(
    filesIn('src').flatMap(file => [...read(file).matchAll(/'(ERR_\w+)'/g)].map(match => match[1]!)),
  )
  t.true(codes.size > 12)
  for (const code of codes) t.true(reference.includes(code), code)
})

test('docs/api.md names every option', t => {
  const options = new Set<string>()
  for (const file of filesIn('src'))
    for (const [, rules] of read(file).matchAll(
      /(?:: Rules<\w+> = |new OptionSet<\w+>\([^{]*)\{\n(.*?)\n\}/gs,
    ))
      for (const [, name] of rules!.matchAll(/^ {2}(\w+):/gm)) options.add(name!)
  t.true(options.size > 15)
  for (const option of options) t.true(isNamed(option), option)
})
