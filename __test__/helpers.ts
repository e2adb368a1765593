import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ExecutionContext } from 'ava'
import {
  abstractName,
  connect,
  listen,
  type ListenOptions,
  type UnixListener,
  type UnixSocket,
} from '../index.js'
import './programs/settled.js'

/** A private directory, removed after the test. Short: a socket's path has at most 108 bytes. */
export function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'uds-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Where a test's sockets live: a new path, or a new abstract name. */
export const places = {
  path: (t: ExecutionContext): string => join(directory(t), 's'),
  'abstract name': (): Uint8Array => abstractName(`udsock-test-${randomBytes(8).toString('hex')}`),
} as const

export type Place = keyof typeof places
export const everyPlace = Object.keys(places) as Place[]

/** A listener that is closed after the test. */
export async function listening(
  t: ExecutionContext,
  place: Place = 'path',
  options?: ListenOptions,
): Promise<UnixListener> {
  const listener = await listen(places[place](t), options)
  t.teardown(() => listener.close())
  return listener
}

/** A connected pair; both ends are destroyed after the test. */
export async function pair(
  t: ExecutionContext,
  place: Place = 'path',
  options?: ListenOptions,
): Promise<{ client: UnixSocket; server: UnixSocket; listener: UnixListener }> {
  const listener = await listening(t, place, options)
  const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
  t.teardown(() => {
    client.destroy()
    server.destroy()
  })
  return { client, server, listener }
}

/** The next event of that name, as its first argument. */
export function once<T = unknown>(emitter: NodeJS.EventEmitter, event: string): Promise<T> {
  return new Promise(resolve => emitter.once(event, resolve))
}

/** Exactly so many bytes, or what came before the end. */
export async function receive(socket: UnixSocket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let received = 0
  while (received < length) {
    const chunk: Buffer | null = socket.read(Math.min(length - received, socket.readableLength || 1))
    if (chunk !== null) {
      chunks.push(chunk)
      received += chunk.length
    } else if (socket.readableEnded || socket.destroyed) {
      break
    } else {
      await oneOf(socket, ['readable', 'end', 'close'])
    }
  }
  return Buffer.concat(chunks)
}

/** The first of these events. */
function oneOf(emitter: NodeJS.EventEmitter, events: string[]): Promise<void> {
  return new Promise(resolve => {
    const heard = (): void => {
      for (const event of events) emitter.off(event, heard)
      resolve()
    }
    for (const event of events) emitter.on(event, heard)
  })
}

/** Everything up to the end. */
export async function receiveAll(socket: UnixSocket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Waits until `check` holds; rejects with `what` after a time that only failure reaches. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  seconds = 20,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The open descriptors of this process (Linux). */
export function descriptors(): number {
  // The listing itself has one open.
  return readdirSync('/proc/self/fd').length - 1
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, milliseconds))
