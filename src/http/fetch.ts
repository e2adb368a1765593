/**
 * `fetch()` over a path: it sends requests by node:http, and returns the runtime's own Response.
 *
 * - A call settles once. After an abort, or a failure, its connection is closed.
 * - The response's body is read from the connection only as fast as it is consumed.
 */
import * as http from 'node:http'
import { type ClientRequest, type IncomingMessage } from 'node:http'
import * as https from 'node:https'
import { type Readable } from 'node:stream'
import { types } from 'node:util'
import { builtin } from '../internal/builtins.js'
import { invalidType, invalidValue } from '../internal/errors.js'
import { validateSignal } from '../internal/validation.js'
import { type UnixSocketPath } from '../path.js'
import { Agent, HttpsAgent } from './agent.js'
import { resolveTarget } from './target.js'

export interface FetchOptions extends RequestInit {
  /** The agent to use, such as `new HttpsAgent({ ca })`. Default: one that keeps connections alive, for all calls. */
  agent?: http.Agent | undefined
}

/** The most redirects that a call follows. Source: the fetch standard. */
const mostRedirects = 20
const redirects = new Set([301, 302, 303, 307, 308])
/** The largest status that the constructor of Response takes. Servers send up to 999. */
const mostStatus = 599
const withoutBody = new Set([101, 103, 204, 205, 304])
/** What is not sent to another origin, and what describes a body that is not sent again. Source: the fetch standard. */
const ofOrigin = ['authorization', 'proxy-authorization', 'cookie', 'host']
const ofBody = ['content-encoding', 'content-language', 'content-location', 'content-type', 'content-length']

const agents: { http?: Agent; https?: HttpsAgent } = {}

/** One request, which a redirect replaces by another. */
interface Exchange {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  /** Null: none. A stream can be sent once. */
  readonly body: Uint8Array | Blob | ReadableStream<Uint8Array> | null
  readonly redirect: string
  readonly signal: AbortSignal | undefined
  readonly socketPath: Uint8Array
  readonly agent: http.Agent | undefined
}

/**
 * `fetch()` whose connection goes to a path: `await fetch('/run/app.sock', '/items', { method: 'POST', body })`. `input` is a URL, a path
 * that is completed by `http://localhost`, or a Request; its host is only the header Host and the name for TLS. `init` is that of the
 * runtime's own `fetch`, which gives the Request and the Response. Connections are kept alive and used again.
 *
 * Redirects are followed over the same path, up to 20 of them, whatever host they name; 'manual' returns the redirect, and 'error' rejects.
 * A body with gzip, deflate or br is decompressed; no compression is asked for. A stream is sent in chunks; a FormData is held in memory. A
 * body that is not consumed holds its connection until it is cancelled. `integrity` is refused.
 *
 * Rejects with a TypeError whose `cause` is the failure (of `connect()`, for example), and with the signal's reason after an abort. The body
 * fails likewise.
 */
export async function fetch(
  path: UnixSocketPath,
  input: string | URL | Request,
  init: FetchOptions = {},
): Promise<Response> {
  const { agent, signal: given, ...others } = init
  validateSignal('init.signal', given ?? undefined)
  const socketPath = resolveTarget(path).bytes
  const isRequest = typeof input === 'object' && input !== null && !(input instanceof URL)
  if (!isRequest && typeof input !== 'string' && !(input instanceof URL))
    throw invalidType('url', 'a string, a URL or a Request', input)
  const signal = (given === undefined && isRequest ? input.signal : given) ?? undefined
  const request = new Request(isRequest ? input : new URL(input, 'http://localhost'), {
    ...others,
    body: streamable(others.body) as never,
  } as RequestInit)
  // Bun's Request does not keep the option.
  if (others.integrity || request.integrity) throw invalidValue('init.integrity', 'it is not supported')
  const url = new URL(request.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw invalidValue('url', `its scheme must be http: or https:, not ${url.protocol}`)
  const { method } = request
  // Bun's Request does not keep it.
  const redirect = others.redirect ?? request.redirect
  const headers = new Headers(request.headers)
  if (!headers.has('accept')) headers.set('accept', '*/*')
  if (!headers.has('user-agent')) headers.set('user-agent', 'udsock')
  // Bun's Request leaves both to its own fetch().
  if (typeof others.body === 'string' && !headers.has('content-type'))
    headers.set('content-type', 'text/plain;charset=UTF-8')
  const body = await bodyOf(request, others.body)
  if (body !== null && (method === 'GET' || method === 'HEAD'))
    throw invalidValue('init.body', `a request with the method ${method} has none`)
  let exchange: Exchange = { url, method, headers, body, redirect, signal, socketPath, agent }
  for (let count = 0; ; count++) {
    const response = await send(exchange)
    signal?.throwIfAborted()
    const next = redirected(exchange, response)
    if (next === undefined) return responseOf(exchange, response, count > 0)
    response.resume()
    if (count === mostRedirects) throw failed(new Error(`there are more than ${mostRedirects} redirects`))
    exchange = next
  }
}

/** Makes an async iterable a stream: not every runtime's Request takes one. */
function streamable(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !(Symbol.asyncIterator in body)) return body
  if (body instanceof ReadableStream) return body
  const iterator = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done === true) controller.close()
      else controller.enqueue(typeof value === 'string' ? Buffer.from(value) : value)
    },
    async cancel(reason) {
      await iterator.return?.(reason)
    },
  })
}

/** Returns a body that can be sent again, except for a stream. */
async function bodyOf(request: Request, given: unknown): Promise<Exchange['body']> {
  const isShort =
    typeof given === 'string' ||
    given instanceof URLSearchParams ||
    given instanceof ArrayBuffer ||
    ArrayBuffer.isView(given)
  if (given instanceof Blob) return given
  if (given instanceof FormData) return request.blob()
  if (isShort) return new Uint8Array(await request.arrayBuffer())
  return (request.body as ReadableStream<Uint8Array> | null) ?? null
}

/** Sends a request; resolves with the response when its head has arrived. */
function send({ url, method, headers, body, signal, socketPath, agent }: Exchange): Promise<IncomingMessage> {
  const isSecure = url.protocol === 'https:'
  const own = isSecure
    ? (agents.https ??= new HttpsAgent({ keepAlive: true }))
    : (agents.http ??= new Agent({ keepAlive: true }))
  const fields: Record<string, string> = { host: url.host, ...Object.fromEntries(headers) }
  frameBody(fields, method, body)
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error)
      if (body instanceof ReadableStream) body.cancel(signal.reason).catch(() => {})
      return
    }
    const request = (isSecure ? https : http).request({
      method,
      path: url.pathname + url.search,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      headers: fields,
      agent: agent ?? own,
      socketPath: socketPath as never,
    })
    const onAbort = (): void => {
      reject(signal!.reason as Error)
      request.destroy()
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    request.once('close', () => signal?.removeEventListener('abort', onAbort))
    request.on('error', error => reject(failed(error)))
    request.once('upgrade', (_response, socket) => {
      socket.destroy()
      reject(failed(new Error('the server changed the protocol')))
    })
    request.once('response', resolve)
    if (body === null || types.isUint8Array(body)) request.end(body ?? undefined)
    else {
      pump(body instanceof Blob ? body.stream() : body, request, signal).catch((error: unknown) => {
        reject(failed(error))
        request.destroy()
      })
    }
  })
}

/** Sets the headers that delimit the body. A caller's own ones apply to a stream only: the length of every other body is known. */
function frameBody(fields: Record<string, string>, method: string, body: Exchange['body']): void {
  if (body instanceof ReadableStream) {
    // node:http itself chunks a body only for methods that usually have one.
    if (fields['content-length'] === undefined) fields['transfer-encoding'] ??= 'chunked'
    else if (fields['transfer-encoding'] !== undefined) delete fields['content-length']
    return
  }
  delete fields['transfer-encoding']
  delete fields['content-length']
  if (body !== null) fields['content-length'] = String(body instanceof Blob ? body.size : body.length)
  else if (method === 'POST' || method === 'PUT') fields['content-length'] = '0'
}

/** Sends a stream as fast as the connection takes it. Cancels it when the request closes before. */
async function pump(
  body: ReadableStream<Uint8Array>,
  request: ClientRequest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const reader = body.getReader()
  const closed = new Promise<void>(resolve => request.once('close', resolve))
  closed.then(() => reader.cancel(signal?.reason)).catch(() => {})
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (request.destroyed) return
      if (done) {
        request.end()
        return
      }
      if (!types.isUint8Array(value)) throw new TypeError('a chunk of the body is no Uint8Array')
      if (!request.write(value))
        await Promise.race([closed, new Promise(resolve => request.once('drain', resolve))])
    }
  } catch (error) {
    reader.cancel(error).catch(() => {})
    throw error
  }
}

/** Returns the request that follows a redirect; undefined if there is none to follow. */
function redirected(exchange: Exchange, response: IncomingMessage): Exchange | undefined {
  const { url, redirect, body } = exchange
  const { location: bytes } = response.headers
  const status = response.statusCode!
  if (!redirects.has(status) || redirect === 'manual') return undefined
  const fail = (reason: string): never => {
    response.destroy()
    throw failed(new Error(reason))
  }
  if (redirect === 'error') fail('the server redirects')
  if (bytes === undefined) return undefined
  // As every browser does: the bytes that are not ASCII are UTF-8. In Node a header has a character for each byte.
  const location = Buffer.from(bytes, 'latin1').toString()
  if (!URL.canParse(location, url.href)) fail(`the server redirects to an invalid URL, ${location}`)
  const next = new URL(location, url)
  if (next.protocol !== 'http:' && next.protocol !== 'https:')
    fail(`the server redirects to ${next.protocol}`)
  if (next.hash === '') next.hash = url.hash
  if (status !== 303 && body instanceof ReadableStream) fail('a stream cannot be sent again')
  const headers = new Headers(exchange.headers)
  if (next.origin !== url.origin) for (const name of ofOrigin) headers.delete(name)
  const { method } = exchange
  const becomesGet =
    status === 303 ? method !== 'GET' && method !== 'HEAD' : status < 303 && method === 'POST'
  if (!becomesGet) return { ...exchange, url: next, headers }
  for (const name of ofBody) headers.delete(name)
  return { ...exchange, url: next, headers, method: 'GET', body: null }
}

function responseOf(exchange: Exchange, message: IncomingMessage, isRedirected: boolean): Response {
  const { url, method, signal } = exchange
  const status = message.statusCode!
  const hasBody = method !== 'HEAD' && !withoutBody.has(status)
  if (!hasBody) message.resume()
  try {
    const headers = new Headers()
    const { rawHeaders } = message
    for (let index = 0; index < rawHeaders.length; index += 2)
      headers.append(rawHeaders[index]!, rawHeaders[index + 1]!)
    const body = hasBody ? streamOf(message, headers.get('content-encoding'), signal) : null
    const init = { status: Math.min(status, mostStatus), statusText: message.statusMessage ?? '', headers }
    const response = new Response(body, init)
    const shown = new URL(url)
    shown.hash = ''
    return described(response, { url: shown.href, redirected: isRedirected, type: 'basic', status })
  } catch (error) {
    message.destroy()
    throw failed(error)
  }
}

/** Gives a response what its constructor does not take. */
function described(response: Response, fields: object): Response {
  const clone = response.clone.bind(response)
  const properties = { ...fields, clone: () => described(clone(), fields) }
  for (const [name, value] of Object.entries(properties))
    Object.defineProperty(response, name, { value, configurable: true })
  return response
}

/** Returns the body as a stream, decompressed. It fails with a TypeError, or with the reason of an abort. */
function streamOf(
  message: IncomingMessage,
  encodings: string | null,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  let readable: Readable = message
  const parts: Readable[] = [message]
  for (const encoding of (encodings ?? '').toLowerCase().split(',').toReversed()) {
    const decoder = decoderOf(encoding.trim())
    if (decoder === undefined) break
    readable = readable.pipe(decoder)
    parts.push(decoder)
  }
  const destroyAll = (): void => {
    for (const part of parts) part.destroy()
  }
  let fail: ((error: unknown) => void) | undefined
  const onAbort = (): void => fail?.(signal!.reason)
  let isOver = false
  const over = (conclude: () => void): void => {
    if (isOver) return
    isOver = true
    signal?.removeEventListener('abort', onAbort)
    conclude()
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const failWith = (error: unknown): void =>
          over(() => {
            controller.error(error)
            destroyAll()
          })
        fail = failWith
        signal?.addEventListener('abort', onAbort, { once: true })
        for (const part of parts)
          part.on('error', error => failWith(new TypeError('terminated', { cause: error })))
        message.on('close', () => {
          if (!message.complete)
            failWith(new TypeError('terminated', { cause: new Error('the connection closed') }))
        })
        readable.on('data', (chunk: Buffer) => {
          if (isOver) return
          controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
          if (controller.desiredSize! <= 0) readable.pause()
        })
        readable.on('end', () => over(() => controller.close()))
        readable.on('close', () => over(() => {}))
        readable.pause()
      },
      pull: () => void readable.resume(),
      cancel: () => over(destroyAll),
    },
    { highWaterMark: 65_536, size: chunk => chunk.byteLength },
  )
}

/** Returns the decoder of a content encoding; undefined for an unknown one. A body that is cut short yields what it has. */
function decoderOf(encoding: string): (Readable & NodeJS.WritableStream) | undefined {
  if (!/^(?:(?:x-)?gzip|deflate|br)$/.test(encoding)) return undefined
  const { constants, createBrotliDecompress, createUnzip } = builtin('node:zlib')
  if (encoding === 'br') return createBrotliDecompress()
  return createUnzip({ flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH })
}

function failed(cause: unknown): TypeError {
  return new TypeError('fetch failed', { cause })
}
