import { execFile, spawn } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type ExecutionContext } from 'ava'
import { directory } from './sockets.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))
/** The package under test with its own package.json: this checkout, or the installed one where these tests run beside it. */
const installed = dirname(createRequire(import.meta.url).resolve('udsock/package.json'))
const execute = promisify(execFile)

/** Makes a directory in which `import 'udsock'` finds this package. */
export function project(t: ExecutionContext): string {
  const home = directory(t)
  mkdirSync(join(home, 'node_modules'))
  symlinkSync(installed, join(home, 'node_modules', 'udsock'))
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }')
  return home
}

/** Makes a project with the examples. */
export function projectWithExamples(t: ExecutionContext): string {
  const home = project(t)
  cpSync(join(root, 'examples'), join(home, 'examples'), { recursive: true })
  return home
}

/** Starts a program in `home`, which is killed after the test. `output()` returns what it has printed so far. */
export function starting(t: ExecutionContext, home: string, program: string, ...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  return { child, output: () => output }
}

/** Runs a program in `home` to its end, and returns what it has printed. Rejects, with `stderr`, when the program fails. */
export function runIn(home: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return execute(process.execPath, args, { cwd: home })
}

/** As `runIn`, without what is printed to stderr. */
export async function printed(home: string, ...args: string[]): Promise<string> {
  return (await runIn(home, ...args)).stdout
}
