import { type IncomingMessage, type ServerResponse } from 'node:http'
import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib'
import test from 'ava'
import { fetch } from '../../http.js'
import { serving } from '../helpers/fetch.js'
import { eventually, places } from '../helpers/sockets.js'
import { isBun, isDeno } from '../helpers/runtimes.js'

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return String(Buffer.concat(chunks))
}

/** Answers with what it was sent. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url, headers } = request
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ method, url, headers, body: await bodyOf(request) }))
}

interface Echo {
  method: string
  url: string
  headers: Record<string, string | undefined>
  body: string
}

test('a response is a standard one', async t => {
  const path = await serving(t, (_request, response) => {
    response.writeHead(
      201,
      'Made',
      [
        ['x-name', 'value'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ].flat() as never,
    )
    response.end('text')
  })
  const response = await fetch(path, '/items?x=1#part')
  t.true(response instanceof Response)
  t.is(response.status, 201)
  t.true(response.ok)
  t.is(response.statusText, 'Made')
  t.is(response.url, 'http://localhost/items?x=1')
  t.false(response.redirected)
  t.is(response.type, 'basic')
  t.is(response.headers.get('x-name'), 'value')
  t.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2'])
  const clone = response.clone()
  t.is(clone.url, response.url)
  t.is(await response.text(), 'text')
  t.is(await clone.text(), 'text')
})

test('a status beyond those of the standard is returned', async t => {
  const path = await serving(t, (_request, response) => response.writeHead(999, 'Odd').end('text'))
  const response = await fetch(path, '/')
  const clone = response.clone()
  t.deepEqual([response.status, response.ok, response.statusText], [999, false, 'Odd'])
  t.is(clone.status, 999)
  t.is(await response.text(), 'text')
})

test('method, headers and host reach the server', async t => {
  const path = await serving(t, (...ends) => void echo(...ends))
  const plain = (await (await fetch(path, new URL('http://app.example:81/a b'))).json()) as Echo
  t.is(plain.method, 'GET')
  t.is(plain.url, '/a%20b')
  t.is(plain.headers['host'], 'app.example:81')
  t.is(plain.headers['accept'], '*/*')
  t.is(plain.body, '')
  const request = new Request('http://localhost/r', { method: 'PUT', body: 'text', headers: { 'x-a': 'b' } })
  const given = (await (await fetch(path, request, { headers: { 'x-c': 'd' } })).json()) as Echo
  t.is(given.method, 'PUT')
  t.is(given.body, 'text')
  t.is(given.headers['x-c'], 'd')
})

async function* iterable(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('three ')
  yield Buffer.from('four')
}

test('bodies of every kind are sent', async t => {
  const path = await serving(t, (...ends) => void echo(...ends))
  const post = async (body: unknown): Promise<Echo> =>
    (await (await fetch(path, '/', { method: 'POST', body, duplex: 'half' } as never)).json()) as Echo
  const text = await post('bücher')
  t.is(text.body, 'bücher')
  t.is(text.headers['content-length'], '7')
  t.regex(text.headers['content-type'] ?? '', /^text\/plain/)
  t.is((await post(Buffer.from('bytes'))).body, 'bytes')
  t.is((await post(new Uint8Array([97, 98]).buffer)).body, 'ab')
  const blob = await post(new Blob(['blob'], { type: 'text/x' }))
  t.is(blob.body, 'blob')
  t.is(blob.headers['content-type'], 'text/x')
  t.is(blob.headers['content-length'], '4')
  const form = await post(new URLSearchParams({ a: '1 2' }))
  t.is(form.body, 'a=1+2')
  t.regex(form.headers['content-type'] ?? '', /^application\/x-www-form-urlencoded/)
  const data = new FormData()
  data.set('name', 'value')
  const multipart = await post(data)
  const boundary = /boundary="?([^"]+)/.exec(multipart.headers['content-type'] ?? '')?.[1] ?? 'none'
  t.true(multipart.body.includes(boundary))
  t.regex(multipart.body, /name="name"\r\n\r\nvalue\r\n/)
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from('one '))
      controller.enqueue(Buffer.from('two'))
      controller.close()
    },
  })
  const chunked = await post(stream)
  t.is(chunked.body, 'one two')
  t.is(chunked.headers['content-length'], undefined)
  t.is((await post(iterable())).body, 'three four')
  t.is((await post(undefined)).headers['content-length'], '0')
})

test('a body is delimited whatever the method, and whatever headers the caller gave', async t => {
  const path = await serving(t, (...ends) => void echo(...ends))
  const send = async (options: object): Promise<Echo> =>
    (await (await fetch(path, '/', options)).json()) as Echo
  for (const method of ['DELETE', 'OPTIONS', 'PATCH', 'POST', 'PURGE']) {
    const streamed = await send({ method, body: iterable(), duplex: 'half' })
    t.is(streamed.body, 'three four', method)
    t.is(streamed.headers['transfer-encoding'], 'chunked', method)
    const headers = { 'content-length': '99', 'transfer-encoding': 'chunked' }
    const short = await send({ method, body: 'text', headers })
    t.is(short.body, 'text', method)
    t.is(short.headers['content-length'], '4', method)
    t.is(short.headers['transfer-encoding'], undefined, method)
    const empty = await send({ method, headers })
    t.is(empty.body, '', method)
    t.not(empty.headers['content-length'], '99', method)
  }
  const headers = { 'content-length': '10' }
  const counted = await send({ method: 'PUT', body: iterable(), duplex: 'half', headers })
  t.is(counted.body, 'three four')
  t.is(counted.headers['content-length'], '10')
  t.is(counted.headers['transfer-encoding'], undefined)
})

test('10 MiB go both ways at the same time', async t => {
  const path = await serving(t, (request, response) => void request.pipe(response))
  const chunk = Buffer.alloc(65_536, 'x')
  let left = 160
  const body = new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(chunk)
      else controller.close()
    },
  })
  const response = await fetch(path, '/', { method: 'POST', body, duplex: 'half' } as never)
  let length = 0
  for await (const part of response.body!) length += (part as Uint8Array).length
  t.is(length, 160 * 65_536)
})

test('a body arrives as it is sent, and no faster than it is read', async t => {
  let written = 0
  const path = await serving(t, (_request, response) => {
    const write = (): void => {
      while (written < 500) {
        written++
        if (!response.write(Buffer.alloc(65_536))) {
          response.once('drain', write)
          return
        }
      }
      response.end()
    }
    write()
  })
  const response = await fetch(path, '/')
  await new Promise(resolve => setTimeout(resolve, 200))
  t.true(written < 100, String(written))
  t.is((await response.arrayBuffer()).byteLength, 500 * 65_536)
})

test('responses without a body have none', async t => {
  const path = await serving(t, (request, response) => {
    response.statusCode = Number(request.url!.slice(1))
    response.end()
  })
  for (const status of [204, 205, 304]) {
    const response = await fetch(path, `/${status}`)
    t.is(response.status, status)
    t.is(response.body, null)
    t.is(await response.text(), '')
  }
  const head = await fetch(path, '/200', { method: 'HEAD' })
  t.is(head.body, null)
  const missing = await fetch(path, '/404')
  t.false(missing.ok)
  t.is(await missing.text(), '')
})

test('redirects are followed over the same path, returned or refused', async t => {
  const path = await serving(t, (request, response) => {
    const status = Number(/^\/(\d+)/.exec(request.url!)?.[1] ?? 0)
    if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end()
    else if (request.url === '/away') response.writeHead(302, { location: 'http://other/echo' }).end()
    else if (request.url === '/file') response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    else if (status > 0) response.writeHead(status, { location: 'echo' }).end()
    else void echo(request, response)
  })
  const headers = { authorization: 'secret' }
  for (const status of [301, 302, 303, 307, 308]) {
    const response = await fetch(path, `/${status}`, { method: 'POST', body: 'text', headers })
    const { method, body, headers: sent } = (await response.json()) as Echo
    t.is(response.url, 'http://localhost/echo')
    t.true(response.redirected)
    t.deepEqual([method, body], status < 307 ? ['GET', ''] : ['POST', 'text'])
    t.is(sent['authorization'], 'secret')
  }
  const away = (await (await fetch(path, '/away', { headers })).json()) as Echo
  t.is(away.headers['host'], 'other')
  t.is(away.headers['authorization'], undefined)
  const manual = await fetch(path, '/302', { redirect: 'manual' })
  t.is(manual.status, 302)
  t.is(manual.headers.get('location'), 'echo')
  await manual.body?.cancel()
  const failing: [string, object][] = [
    ['/302', { redirect: 'error' }],
    ['/loop', {}],
    ['/file', {}],
    ['/307', { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' }],
  ]
  for (const [url, init] of failing) {
    const error = await t.throwsAsync<Error>(fetch(path, url, init))
    t.true(error instanceof TypeError, url)
    t.true(error?.cause instanceof Error, url)
  }
})

test('the target of a redirect may have bytes of UTF-8', async t => {
  const path = await serving(t, (request, response) => {
    if (request.url !== '/') response.end(request.url)
    else response.writeHead(302, { location: Buffer.from('/bücher?a=é#日').toString('latin1') }).end()
  })
  const response = await fetch(path, '/')
  t.is(await response.text(), '/b%C3%BCcher?a=%C3%A9')
})

test('compressed bodies are decompressed', async t => {
  const encoders = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync }
  const path = await serving(t, (request, response) => {
    const name = request.url!.slice(1) as keyof typeof encoders
    response.setHeader('content-encoding', name).end(encoders[name]('text'.repeat(1000)))
  })
  for (const name of Object.keys(encoders)) {
    const response = await fetch(path, `/${name}`)
    t.is(await response.text(), 'text'.repeat(1000), name)
    t.is(response.headers.get('content-encoding'), name)
  }
})

test('the option integrity is refused, because it is not checked', async t => {
  const path = await serving(t, (_request, response) => response.end('text'))
  const error = { code: 'ERR_INVALID_ARG_VALUE', message: /init\.integrity/ }
  await t.throwsAsync(fetch(path, '/', { integrity: 'sha256-xyz' }), error)
  const response = await fetch(path, '/', { integrity: '' })
  t.is(await response.text(), 'text')
})

test('failures are a TypeError with the cause', async t => {
  const absent = await t.throwsAsync<Error>(fetch(places.path(t), '/'))
  t.true(absent instanceof TypeError)
  t.is((absent?.cause as { code?: string } | undefined)?.code, 'ENOENT')
  const path = await serving(t, (request, response) => {
    if (request.url === '/head') request.socket.destroy()
    else response.writeHead(200, { 'content-length': 10 }).write('begin', () => request.socket.destroy())
  })
  const cut = await t.throwsAsync<Error>(fetch(path, '/head'))
  t.true(cut instanceof TypeError)
  const response = await fetch(path, '/body')
  const truncated = await t.throwsAsync<Error>(response.text())
  t.true(truncated instanceof Error)
  const broken = new ReadableStream({
    pull() {
      throw new Error('broken')
    },
  })
  const body = await t.throwsAsync<Error>(
    fetch(path, '/head', { method: 'POST', body: broken, duplex: 'half' } as never),
  )
  t.true(body instanceof TypeError)
  await t.throwsAsync(fetch(path, '/', { method: 'GET', body: 'text' }), { instanceOf: TypeError })
  await t.throwsAsync(fetch(path, 'ftp://host/'), { instanceOf: TypeError })
  await t.throwsAsync(fetch('', '/'), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.throwsAsync(fetch(path, '/', { signal: 1 as never }), { instanceOf: TypeError })
})

if (!isBun && !isDeno) {
  test('requests one after the other share a connection', async t => {
    const sockets = new Set<unknown>()
    const path = await serving(t, (request, response) => {
      sockets.add(request.socket)
      response.end('text')
    })
    for (let count = 0; count < 20; count++) await (await fetch(path, '/')).text()
    t.is(sockets.size, 1)
  })
}

test('a cancelled body closes its connection', async t => {
  let open = 0
  const path = await serving(t, (request, response) => {
    open++
    request.socket.once('close', () => open--)
    response.write('begin')
  })
  const response = await fetch(path, '/')
  await response.body!.cancel()
  await eventually('the connection is closed', () => open === 0)
  t.pass()
})
