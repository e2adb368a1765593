import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type ExecutionContext } from 'ava'

/** How a process ended, and all that it printed. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  errors: string
}

/** A process of its own, killed after the test. */
export class Program {
  readonly stdin: Writable
  readonly ended: Promise<Ended>
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: string[] = []
  readonly #news = new EventEmitter()
  #over = false
  #read = 0

  constructor(t: ExecutionContext, file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const stdio: ['pipe', 'pipe', 'pipe'] = ['pipe', 'pipe', 'pipe']
    const child = (this.#child = spawn(file, args, { stdio, env: { ...process.env, ...env } }))
    this.stdin = child.stdin
    child.stdin.on('error', () => {})
    const errors: Buffer[] = []
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    createInterface(child.stdout).on('line', line => {
      this.#lines.push(line)
      this.#news.emit('news')
    })
    this.ended = once(child, 'close').then(([code, signal]) => {
      this.#over = true
      this.#news.emit('news')
      return { code, signal, output: this.#lines.join('\n'), errors: String(Buffer.concat(errors)) }
    })
    t.teardown(async () => {
      child.kill('SIGKILL')
      const { errors: complaints } = await this.ended
      if (!t.passed && complaints !== '') t.log(complaints)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  kill(signal: NodeJS.Signals): void {
    // Not the child's kill(): after it Deno always reports that the signal ended the child.
    process.kill(this.#child.pid!, signal)
  }

  /** Returns the next line that the process prints, each once. */
  async nextLine(): Promise<string> {
    while (this.#read >= this.#lines.length) {
      if (this.#over) throw new Error(`it ended after "${this.#lines.join('", "')}"`)
      await once(this.#news, 'news')
    }
    return this.#lines[this.#read++]!
  }

  /** Resolves when the process has printed `line`. */
  async prints(line: string): Promise<void> {
    while (!this.#lines.includes(line)) {
      if (this.#over)
        throw new Error(`it ended without printing "${line}", but "${this.#lines.join('", "')}"`)
      await once(this.#news, 'news')
    }
  }
}

const programs = fileURLToPath(new URL('../programs/', import.meta.url))

/** One of `programs/`, in a Node process without the tests' loader. */
export function start(t: ExecutionContext, name: string, args: readonly string[] = [], flags: string[] = []) {
  return new Program(t, process.execPath, [...flags, `${programs}${name}`, ...args])
}

/** One of `programs/` in another language. */
export function startFile(t: ExecutionContext, file: string, name: string, args: readonly string[]) {
  return new Program(t, file, [`${programs}${name}`, ...args])
}

/** The environment that chooses a waker: where a test runs on both by itself. */
export const wakers = { uv: { UDSOCK_WAKER: 'uv' }, doorbell: { UDSOCK_WAKER: 'doorbell' } } as const
export type Waker = keyof typeof wakers

/** `start` with that waker and a limit of `descriptors`. */
export function startOn(
  t: ExecutionContext,
  waker: Waker,
  name: string,
  args: readonly string[] = [],
  descriptors = 1024,
) {
  const shell = ['-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh', process.execPath, `${programs}${name}`]
  return new Program(t, '/bin/sh', [...shell, ...args], wakers[waker])
}

/** `start` after preparations of a shell, which end with `exec "$@"`. */
export function startBehind(t: ExecutionContext, shell: string[], name: string, args: readonly string[]) {
  return new Program(t, shell[0]!, [...shell.slice(1), process.execPath, `${programs}${name}`, ...args])
}

/** Returns the JSON that a program printed, and checks that it ended well. */
export async function answer<T>(t: ExecutionContext, program: Program): Promise<T> {
  const { code, signal, output, errors } = await program.ended
  t.deepEqual({ code, signal, errors }, { code: 0, signal: null, errors: '' })
  return JSON.parse(output) as T
}

/** Whether `file args` runs here and ends well. */
export function runs(file: string, ...args: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore', timeout: 20_000 }).status === 0
}
