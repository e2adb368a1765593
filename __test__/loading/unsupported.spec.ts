import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import * as udsock from '../../index.js'
import { type Host, thisHost, unsupportedText } from '../../dist/internal/unsupported.js'
import { directory } from '../helpers/sockets.js'
import { isNode } from '../helpers/runtimes.js'

const debian: Host = {
  platform: 'linux',
  arch: 'x64',
  libc: 'glibc',
  glibcVersion: '2.28',
  runtime: 'Node.js 20.19.0',
}
const alpine: Host = { platform: 'linux', arch: 'arm64', libc: 'musl', runtime: 'Node.js 22.1.0' }
const mac: Host = { platform: 'darwin', arch: 'arm64', runtime: 'Bun 1.3.0' }
const windows: Host = { platform: 'win32', arch: 'x64', runtime: 'Node.js 24.0.0' }

const missing = (name: string): string[] => [
  `Cannot find module './udsock.node'`,
  `Cannot find module '${name}'`,
]

const cases: [title: string, host: Host, attempts: string[], ...texts: string[]][] = [
  [
    'the optional dependency is missing',
    debian,
    missing('udsock-linux-x64-gnu'),
    'linux x64, glibc 2.28 with Node.js 20.19.0: the package udsock-linux-x64-gnu is not installed',
    '--omit=optional',
    '`npm install --os=linux --cpu=x64 --libc=glibc`',
  ],
  [
    "Alpine has Debian's node_modules",
    alpine,
    missing('udsock-linux-arm64-musl'),
    'linux arm64, musl with Node.js 22.1.0: the package udsock-linux-arm64-musl is not installed',
    'on Debian for an Alpine container',
    '`npm install --os=linux --cpu=arm64 --libc=musl`',
  ],
  [
    'a Mac',
    mac,
    missing('udsock-darwin-arm64'),
    'darwin arm64 with Bun 1.3.0: the package udsock-darwin-arm64 is not installed',
    '`npm install --os=darwin --cpu=arm64`',
  ],
  [
    'glibc is too old',
    debian,
    ["/lib64/libc.so.6: version `GLIBC_2.34' not found (required by /app/udsock.node)"],
    'udsock-linux-x64-gnu needs glibc 2.34, and this system has 2.28',
    'newer system or base image',
  ],
  [
    'the addon is for the other libc',
    alpine,
    [
      'Error loading shared library ld-linux-aarch64.so.1: No such file or directory (needed by /app/udsock.node)',
    ],
    'for another C library',
    '--libc=musl',
  ],
  [
    'the addon is for another processor',
    mac,
    ["dlopen(udsock.node): mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')"],
    'for another system or processor',
    '--os=darwin --cpu=arm64',
  ],
  [
    'the addon is for another system',
    debian,
    ['udsock.node: invalid ELF header'],
    'for another system or processor',
  ],
  [
    'no build exists',
    windows,
    ['Unsupported architecture'],
    'win32 x64 with Node.js 24.0.0: there is no build for this platform',
    'use node:net instead',
  ],
  [
    'a given file cannot be loaded',
    { ...debian, givenFile: '/x.node' },
    ["Cannot find module '/x.node'"],
    'NAPI_RS_NATIVE_LIBRARY_PATH is /x.node',
  ],
  [
    'addons are disabled',
    debian,
    ['Cannot load native addon because loading addons is disabled.'],
    '--allow-addons',
  ],
  [
    'Deno refuses addons',
    debian,
    ['Requires ffi access to "udsock.node", run again with the --allow-ffi flag'],
    'only with --allow-ffi',
    '(Requires ffi access to "udsock.node")',
  ],
  [
    'Deno refuses the environment',
    debian,
    ['Requires env access to "NAPI_RS_NATIVE_LIBRARY_PATH", run again with the --allow-env flag'],
    'only with --allow-ffi, and the loader of this one needs --allow-env',
  ],
  ['another reason', debian, ['out of luck'], 'udsock-linux-x64-gnu cannot be loaded: out of luck'],
]

for (const [title, host, attempts, ...texts] of cases)
  test(`the error names cause and remedy: ${title}`, t => {
    const errors = attempts.map(attempt => new Error(attempt))
    const message = unsupportedText(host, errors)
    for (const text of texts) t.true(message.includes(text), message)
    t.notRegex(message, /wasm|wasi|bug/i)
  })

const onNode = isNode ? test : test.skip
const hasGlibc = isNode && udsock.isSupported && thisHost().libc === 'glibc'
const installed = dirname(createRequire(import.meta.url).resolve('udsock/package.json'))

/** Returns the bytes of the addon under test. */
function addon(): Buffer {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] }
  return readFileSync(sharedObjects.find(file => /udsock[^/]*\.node$/.test(file))!)
}

/** Replaces every text that `pattern` finds by one that is not longer. */
const replaced = (bytes: Buffer, pattern: RegExp, text: string): Buffer =>
  Buffer.from(
    bytes.toString('latin1').replace(pattern, found => text.padEnd(found.length, '\0')),
    'latin1',
  )

/** Returns the addon with the other processor in its header. */
function ofOtherProcessor(): Buffer {
  const [x64, arm64] = [62, 183]
  const bytes = addon()
  bytes.writeUInt16LE(process.arch === 'x64' ? arm64 : x64, 18)
  return bytes
}

const copies: [title: string, content: () => string | Buffer | undefined, text: RegExp, onGlibc?: true][] = [
  ['none', () => undefined, / is not installed\. .*`npm install --os=/],
  ['of another format', () => 'no addon', /damaged, or is for another system/],
  ['empty', () => '', /damaged, or is for another system/],
  ['of another processor', ofOtherProcessor, /for another system or processor .* remove node_modules/, true],
  [
    'of a newer glibc',
    () => replaced(addon(), /GLIBC_2\.34|GLIBC_2\.17/g, 'GLIBC_2.99'),
    /needs glibc 2\.99, and this system has 2\.\d+ .*newer system or base image/,
    true,
  ],
  ['of musl', () => replaced(addon(), /\blibc\.so\.6\0/, 'libc.so'), /for another C library/, true],
]

for (const [title, content, text, onGlibc = false] of copies)
  (onGlibc && !hasGlibc ? test.skip : onNode)(
    `a copy of the package whose addon is ${title} rejects with the reason`,
    async t => {
      const home = join(directory(t), 'node_modules', 'udsock')
      mkdirSync(home, { recursive: true })
      for (const file of ['package.json', 'lib'])
        cpSync(join(installed, file), join(home, file), { recursive: true })
      const bytes = content()
      if (bytes !== undefined)
        for (const libc of ['gnu', 'musl'])
          writeFileSync(join(home, `udsock.${process.platform}-${process.arch}-${libc}.node`), bytes)
      const program = `
      const { inspect } = require('node:util')
      const { connect, isSupported } = require(${JSON.stringify(home)})
      connect('/nowhere').catch(({ code, message, cause, stack }) =>
        console.log(JSON.stringify({ isSupported, code, message, cause: cause.message, printed: inspect(cause), stack })))`
      const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program])
      const { isSupported, code, message, cause, printed, stack } = JSON.parse(stdout) as Record<
        string,
        string
      >
      t.deepEqual([isSupported as unknown, code], [false, 'ERR_UNSUPPORTED_PLATFORM'])
      t.regex(message!, text)
      // The cause is one attempt, without the others.
      t.notRegex(printed!, /\[cause\]/)
      // The names of chunks in the stack of requires have random letters.
      t.notRegex(`${message} ${cause}`, /wasm|wasi|\bbugs?\b/i)
      t.regex(stack!, /^.*\n\s+at \[eval\]/)
    },
  )
