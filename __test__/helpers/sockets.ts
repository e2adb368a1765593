import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Readable } from 'node:stream'
import { type ExecutionContext } from 'ava'
import {
  abstractName,
  connect,
  listen,
  type ListenOptions,
  type UnixListener,
  type UnixSocket,
} from '../../index.js'
import '../programs/settled.js'

/** A private directory, removed after the test. Short: a socket's path has at most 108 bytes. */
export function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'uds-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Makes a new address for a test's sockets: a path or an abstract name. */
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

/** Waits for the next event of that name. Resolves with its first argument. */
export function once<T = unknown>(emitter: NodeJS.EventEmitter, event: string): Promise<T> {
  return new Promise(resolve => emitter.once(event, resolve))
}

/** Waits until each of `emitters`, which may be closed already, is closed. */
export async function closed(
  ...emitters: (NodeJS.EventEmitter & { readonly closed: boolean })[]
): Promise<void> {
  await Promise.all(emitters.map(emitter => emitter.closed || once(emitter, 'close')))
}

/**
 * Returns how a promise has settled when the microtasks are done, before any timer or event: 'resolved', the code of
 * its error, or 'pending'.
 */
export async function atOnce(promise: Promise<unknown>): Promise<unknown> {
  const later = new Promise(resolve => setImmediate(resolve, 'pending'))
  const settled = promise.then(
    () => 'resolved',
    (error: { code?: string }) => error.code ?? error,
  )
  return Promise.race([settled, later])
}

/** Returns the code of the error with which `promise` rejects, or 'no error'. */
export function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'no error',
    (error: NodeJS.ErrnoException) => error.code,
  )
}

/** Reads exactly `length` bytes, or all bytes before the end. */
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

/** Waits for the first of these events. */
function oneOf(emitter: NodeJS.EventEmitter, events: string[]): Promise<void> {
  return new Promise(resolve => {
    const heard = (): void => {
      for (const event of events) emitter.off(event, heard)
      resolve()
    }
    for (const event of events) emitter.on(event, heard)
  })
}

/** Reads everything up to the end. */
export async function receiveAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  // A plain `for await` destroys a Duplex at its peer's end, whatever it still has to send.
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/**
 * Waits until `check` holds; rejects with `what` after a time that only failure reaches. A look counts as 100 ms at most: on a busy machine
 * there are as many as elsewhere.
 */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  seconds = 20,
): Promise<void> {
  for (let left = seconds * 1000, last = Date.now(); !(await check());) {
    const now = Date.now()
    left -= Math.min(now - last, 100)
    last = now
    if (left <= 0) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** The open descriptors of this process (Linux). */
export function descriptors(): number {
  // The listing itself has one open.
  return readdirSync('/proc/self/fd').length - 1
}

/** The same, once nothing that earlier tests have left is being closed any more. */
export async function descriptorsAtRest(): Promise<number> {
  let count = descriptors()
  for (let equal = 0; equal < 5;) {
    await sleep(10)
    const next = descriptors()
    equal = next === count ? equal + 1 : 0
    count = next
  }
  return count
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, milliseconds))
