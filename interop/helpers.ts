import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Duplex, Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { abstractName, type UnixSocketPath } from '../index.js'

/** The place of a foreign program and ours: as our API takes it, and as the foreign one's argument. */
export interface Address {
  readonly path: UnixSocketPath
  readonly argument: string
}

export async function filesystemAddress(t: ExecutionContext): Promise<Address> {
  const directory = await mkdtemp(join(tmpdir(), 'udsock-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = join(directory, 's')
  return { path, argument: path }
}

let names = 0

/** An unused abstract name. Foreign programs are given it as /proc/net/unix shows it: `@` for every zero byte. */
export function abstractAddress(): Address {
  names += 1
  const name = `udsock-interop-${process.pid}-${names}`
  return { path: abstractName(name), argument: `@${name}` }
}

/** Whether `file args` runs here and ends well. */
export function runs(file: string, ...args: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore', timeout: 20_000 }).status === 0
}

/** A running foreign program. It is killed when the test ends, and its output is logged when the test fails. */
export class Peer {
  readonly #command: string
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  readonly #news = new EventEmitter()
  #end: string | undefined

  constructor(t: ExecutionContext, file: string, args: readonly string[]) {
    this.#command = [file, ...args].join(' ')
    const cwd = fileURLToPath(new URL('.', import.meta.url))
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', line => {
        this.#lines.push(line)
        this.#news.emit('news')
      })
    }
    child.on('error', error => this.#lines.push(error.message))
    child.on('close', (code, signal) => {
      this.#end = signal ?? `exit code ${code}`
      this.#news.emit('news')
    })
    t.teardown(() => {
      this.#child.kill('SIGKILL')
      if (!t.passed) t.log(this.#report())
    })
  }

  #report(): string {
    return [this.#command, ...this.#lines, this.#end ?? 'still running'].join('\n')
  }

  /** The first line on stdout or stderr that matches. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.#lines.find(line => pattern.test(line))
      if (found !== undefined) return found
      if (this.#end !== undefined) throw new Error(`no line matches ${pattern}: ${this.#report()}`)
      await once(this.#news, 'news')
    }
  }

  /** Resolves when the program has ended by itself, successfully. */
  async ended(): Promise<void> {
    while (this.#end === undefined) await once(this.#news, 'news')
    if (this.#end !== 'exit code 0') throw new Error(`the foreign program failed: ${this.#report()}`)
  }

  /** Rejects when the program fails, so that nothing waits for it in vain; stays pending otherwise. */
  async failure(): Promise<never> {
    await this.ended()
    return new Promise(() => {})
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The next `length` bytes, exactly. */
export function take(stream: Readable, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      stream.off('readable', pull).off('error', fail)
      act()
    }
    const fail = (error: Error): void => settle(() => reject(error))
    const pull = (): void => {
      const bytes: Buffer | null = stream.read(length)
      if (bytes?.length === length) settle(() => resolve(bytes))
      else if (bytes !== null || stream.readableEnded)
        fail(new Error(`the stream ended before byte ${length}`))
    }
    stream.on('readable', pull).on('error', fail)
  })
}

/** Everything up to the peer's end, which leaves our own direction open (for await would destroy it). */
export async function rest(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  if (stream.readableEnded) return Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
  await once(stream, 'end')
  return Buffer.concat(chunks)
}

/** Writes in chunks of many sizes, waiting for 'drain' whenever write() asks for it. */
export async function send(stream: Duplex, bytes: Buffer): Promise<void> {
  let size = 1
  for (let offset = 0; offset < bytes.length; offset += size) {
    size = (size * 7 + 13) % 150_001
    if (!stream.write(bytes.subarray(offset, offset + size))) await once(stream, 'drain')
  }
}

export async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await once(stream, 'close')
}
