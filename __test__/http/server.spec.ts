import test from 'ava'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { type Duplex, pipeline } from 'node:stream'
import { eventually, everyPlace, once, receive, receiveAll } from '../helpers/sockets.js'
import { answerTo, raw, serving } from '../helpers/http.js'
import { leavesNoDescriptors, sha256 } from '../helpers/streams.js'

leavesNoDescriptors(test)

const MiB = 1024 * 1024

for (const place of everyPlace) {
  test(`a GET and its answer over a ${place}`, async t => {
    t.timeout(30_000)
    const served = await serving(
      t,
      (request, response) => {
        response.setHeader('x-method', request.method!)
        response.end(`you asked for ${request.url}, ${request.headers['x-name']}`)
      },
      place,
    )
    const { status, headers, body } = await served.get({
      path: '/somewhere',
      headers: { 'x-name': 'stranger' },
    })
    t.deepEqual(
      [status, headers['x-method'], String(body)],
      [200, 'GET', 'you asked for /somewhere, stranger'],
    )
    t.is(served.accepted.length, 1)
  })

  test(`a keep-alive agent sends 200 requests over one connection to a ${place}`, async t => {
    t.timeout(30_000)
    const served = await serving(t, (request, response) => response.end(request.url), place)
    const agent = served.agent({ keepAlive: true })
    for (let number = 0; number < 200; number++) {
      const { body } = await served.get({ agent, path: `/${number}` })
      t.is(String(body), `/${number}`)
    }
    t.is(served.accepted.length, 1)
  })

  test(`bodies of 10 MiB go both ways over a ${place}, with a length and in chunks`, async t => {
    t.timeout(60_000)
    const served = await serving(t, (request, response) => pipeline(request, response, () => {}), place)
    const body = randomBytes(10 * MiB)
    for (const headers of [{ 'content-length': body.length }, { 'transfer-encoding': 'chunked' }]) {
      const sent = served.send({ method: 'POST', headers })
      sent.end(body)
      const answer = await answerTo(sent)
      t.is(answer.body.length, body.length)
      t.is(sha256(answer.body), sha256(body))
    }
    // A writer that heeds write()'s answer, and a server that has all of it first.
    const heeding = served.send({ method: 'POST' })
    const answered = answerTo(heeding)
    let drains = 0
    for (let start = 0; start < body.length; start += 50_000) {
      if (heeding.write(body.subarray(start, start + 50_000))) continue
      drains++
      await once(heeding, 'drain')
    }
    heeding.end()
    t.is(sha256((await answered).body), sha256(body))
    t.true(drains > 0)
  })
}

test('an agent keeps four connections busy when four requests are in progress at a time', async t => {
  t.timeout(30_000)
  const served = await serving(t, (request, response) => setImmediate(() => response.end(request.url)))
  const agent = served.agent({ keepAlive: true, maxFreeSockets: 4 })
  const lane = async (number: number): Promise<void> => {
    for (let round = 0; round < 25; round++) {
      const path = `/${number}/${round}`
      t.is(String((await served.get({ agent, path })).body), path)
    }
  }
  await Promise.all([0, 1, 2, 3].map(lane))
  t.is(served.accepted.length, 4)
})

test('100 requests at once without an agent have a connection each', async t => {
  t.timeout(30_000)
  const served = await serving(t, (request, response) => response.end(request.url))
  const paths = Array.from({ length: 100 }, (_, number) => `/${number}`)
  const answers = await Promise.all(paths.map(path => served.get({ path })))
  t.deepEqual(
    answers.map(({ body }) => String(body)),
    paths,
  )
  t.is(served.accepted.length, 100)
})

test('pipelined requests are answered in their order, also when they become ready in another', async t => {
  t.timeout(30_000)
  const served = await serving(t, (request, response) => {
    const answer = (): unknown => response.end(request.url)
    if (request.url === '/0') setTimeout(answer, 20)
    else answer()
  })
  const socket = await raw(t, served)
  const count = 50
  const requests = Array.from({ length: count }, (_, number) => `GET /${number} HTTP/1.1\r\nhost: x\r\n\r\n`)
  requests.push('GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  socket.write(requests.join(''))
  const bodies = String(await receiveAll(socket)).match(/(?<=\r\n\r\n)\/(?:\d+|last)/g)
  t.deepEqual(bodies, [...Array.from({ length: count }, (_, number) => `/${number}`), '/last'])
  t.is(served.accepted.length, 1)
})

test('an upgrade hands the connection over: bytes go both ways, those with the request included', async t => {
  t.timeout(30_000)
  const served = await serving(t, (_, response) => response.end())
  served.server.on('upgrade', (request, socket: Duplex, head: Buffer) => {
    t.is(request.headers.upgrade, 'echo')
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nwelcome')
    socket.write(head)
    socket.pipe(socket)
  })
  const sent = served.send({ headers: { connection: 'upgrade', upgrade: 'echo' } })
  sent.end()
  const [response, socket, head] = await new Promise<[IncomingMessage, Duplex, Buffer]>(resolve => {
    sent.on('upgrade', (...args) => resolve(args))
  })
  t.is(response.statusCode, 101)
  socket.unshift(head)
  const body = randomBytes(MiB)
  socket.end(body)
  const received = await receiveAll(socket)
  t.is(String(received.subarray(0, 7)), 'welcome')
  t.is(sha256(received.subarray(7)), sha256(body))

  const early = await raw(t, served)
  early.end('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\ntoo early')
  t.true(String(await receiveAll(early)).endsWith('\r\n\r\nwelcometoo early'))
})

test('a CONNECT hands the connection over', async t => {
  t.timeout(30_000)
  const served = await serving(t, (_, response) => response.end())
  served.server.on('connect', (_, socket: Duplex) => {
    socket.write('HTTP/1.1 200 Connected\r\n\r\n')
    socket.pipe(socket)
  })
  const sent = served.send({ method: 'CONNECT', path: 'elsewhere:1' })
  sent.end()
  const socket = await new Promise<Socket>(resolve => sent.on('connect', (_, made) => resolve(made)))
  socket.end('through the tunnel')
  t.is(String(await receiveAll(socket)), 'through the tunnel')
})

test('an answer in chunks arrives chunk by chunk, with its trailers', async t => {
  t.timeout(30_000)
  const served = await serving(t, async (request, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    for (const word of ['one ', 'two ', 'three']) {
      response.write(word)
      // The client asks for the next by a byte.
      await once(request, 'data')
    }
    response.addTrailers({ 'x-sum': '3' })
    response.end()
  })
  const sent = served.send({ method: 'POST' })
  sent.flushHeaders()
  const response = await once<IncomingMessage>(sent, 'response')
  const chunks: string[] = []
  for await (const chunk of response) {
    chunks.push(String(chunk))
    sent.write('.')
  }
  sent.end()
  t.deepEqual(chunks, ['one ', 'two ', 'three'])
  t.deepEqual([response.headers['transfer-encoding'], response.trailers['x-sum']], ['chunked', '3'])
})

test('a HEAD has the headers of a body and none', async t => {
  t.timeout(30_000)
  const served = await serving(t, (_, response) => {
    response.setHeader('content-length', 1234)
    response.end('x'.repeat(1234))
  })
  const agent = served.agent({ keepAlive: true })
  for (let round = 0; round < 3; round++) {
    const { status, headers, body } = await served.get({ agent, method: 'HEAD' })
    t.deepEqual([status, headers['content-length'], body.length], [200, '1234', 0])
  }
  t.is(served.accepted.length, 1)
})

test('a client that expects 100-continue sends its body once the server asks for it', async t => {
  t.timeout(30_000)
  const served = await serving(t, (request, response) => request.pipe(response))
  const order: string[] = []
  served.server.on('checkContinue', (request, response) => {
    order.push('checked')
    response.writeContinue()
    request.pipe(response)
  })
  const sent = served.send({ method: 'POST', headers: { expect: '100-continue', 'content-length': 4 } })
  sent.on('continue', () => {
    order.push('continued')
    sent.end('body')
  })
  sent.flushHeaders()
  t.is(String((await answerTo(sent)).body), 'body')
  t.deepEqual(order, ['checked', 'continued'])
})

const malformed: Record<string, [request: string, answer: string]> = {
  garbage: ['this is no HTTP\r\n\r\n', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
  'bytes of TLS': [
    '\x16\x03\x01\x02\x00\x01\x00\r\n',
    'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
  ],
  'headers without end': [
    `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}`,
    'HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n',
  ],
}

for (const [what, [request, answer]] of Object.entries(malformed)) {
  test(`the answer to ${what} is delivered before the server closes`, async t => {
    t.timeout(30_000)
    const served = await serving(t, (_, response) => response.end('fine'))
    const socket = await raw(t, served)
    socket.write(request)
    t.is(String(await receiveAll(socket)), answer)
    // Others are not concerned.
    t.is(String((await served.get()).body), 'fine')
  })
}

test('server.close() closes idle connections and lets a request in progress finish', async t => {
  t.timeout(30_000)
  const waiting: (() => void)[] = []
  const served = await serving(t, (request, response) => {
    if (request.url === '/slow') waiting.push(() => response.end('slow but sure'))
    else response.end('quick')
  })
  const agent = served.agent({ keepAlive: true })
  await served.get({ agent })
  const slow = served.get({ path: '/slow' })
  await eventually('the slow request is there', () => waiting.length === 1)
  const [idle, busy] = served.accepted
  const idleClosed = once(idle!, 'close')
  served.server.close()
  await idleClosed
  t.false(busy!.destroyed)
  waiting[0]!()
  t.is(String((await slow).body), 'slow but sure')
})

test('server.closeAllConnections() closes also those in progress, and the client gets an error', async t => {
  t.timeout(30_000)
  const served = await serving(t, () => served.server.closeAllConnections())
  await t.throwsAsync(served.get(), { code: 'ECONNRESET' })
})

test('server.keepAliveTimeout closes a connection that is idle, after the answer', async t => {
  t.timeout(30_000)
  const served = await serving(t, (_, response) => response.end('first'))
  served.server.keepAliveTimeout = 50
  const socket = await raw(t, served)
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const received = String(await receiveAll(socket))
  t.regex(received, /^HTTP\/1.1 200 OK\r\n.*\r\n\r\nfirst$/s)
})

test('server.setTimeout() reports a silent connection, and closes it', async t => {
  t.timeout(30_000)
  const served = await serving(t, () => {})
  const silent: unknown[] = []
  served.server.setTimeout(50, socket => {
    silent.push(socket)
    socket.destroy()
  })
  await t.throwsAsync(served.get(), { code: 'ECONNRESET' })
  t.deepEqual(silent, served.accepted)
})

test('server.requestTimeout answers 408 to a request that does not come to its end', async t => {
  t.timeout(30_000)
  const times = { requestTimeout: 100, headersTimeout: 100, connectionsCheckingInterval: 20 }
  const served = await serving(t, (_, response) => response.end(), 'path', times)
  const socket = await raw(t, served)
  socket.write('GET / HTTP/1.1\r\nhost:')
  t.is(String(await receiveAll(socket)), 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
})

test("a client's timeout is reported, and its request can be aborted", async t => {
  t.timeout(30_000)
  const served = await serving(t, () => {})
  for (const make of [
    () => served.send().setTimeout(50),
    () => served.send({ timeout: 50, agent: served.agent({ keepAlive: true }) }),
  ]) {
    const sent = make()
    const answered = answerTo(sent)
    sent.end()
    await once(sent, 'timeout')
    sent.destroy(new Error('too slow'))
    await t.throwsAsync(answered, { message: 'too slow' })
  }
  await eventually('the server has seen both go', () => served.accepted.every(socket => socket.closed))
  t.is(served.accepted.length, 2)
})

test('a client that aborts in the middle of an answer ends the response and the connection', async t => {
  t.timeout(30_000)
  let closed: Promise<unknown> | undefined
  const served = await serving(t, (_, response) => {
    closed = once(response, 'close')
    const write = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
    }
    response.on('drain', write)
    write()
  })
  const controller = new AbortController()
  const sent = served.send({ signal: controller.signal })
  const answered = answerTo(sent)
  sent.on('response', response => response.once('data', () => controller.abort()))
  sent.end()
  await t.throwsAsync(answered, { code: 'ECONNRESET', message: 'aborted' })
  await closed
  await eventually('the connection is closed', () => served.accepted[0]!.closed)
})

test('a server that stops in the middle of an answer is an error at the client', async t => {
  t.timeout(30_000)
  const served = await serving(t, (_, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('half', () => response.destroy())
  })
  await t.throwsAsync(served.get(), { code: 'ECONNRESET', message: 'aborted' })
})

test('an answer until the end of the connection, as HTTP/1.0 has it', async t => {
  t.timeout(30_000)
  const body = randomBytes(MiB)
  const served = await serving(t, (_, response) => {
    response.useChunkedEncodingByDefault = false
    response.write(body.subarray(0, 1000))
    response.end(body.subarray(1000))
  })
  const socket = await raw(t, served)
  socket.write('GET / HTTP/1.0\r\n\r\n')
  const received = await receiveAll(socket)
  t.is(sha256(received.subarray(received.indexOf('\r\n\r\n') + 4)), sha256(body))
})

test('a connection that sends nothing and ends is closed by the server', async t => {
  t.timeout(30_000)
  const served = await serving(t, (_, response) => response.end())
  const socket = await raw(t, served)
  socket.end()
  t.deepEqual(await receive(socket, 1), Buffer.alloc(0))
  await eventually('the server has closed', () => served.accepted[0]?.closed === true)
})
