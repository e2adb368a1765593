import { randomBytes } from 'node:crypto'
import { createServer, request } from 'node:http'
import test from 'ava'
import { connect } from '../../index.js'
import { eventually } from '../helpers/sockets.ts'
import { answerTo } from '../helpers/http.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { collect, MiB, once, ourListener, sha256, sharedPlaces } from './helpers.js'
import { everyEnd } from './http-ends.js'

leavesNoDescriptors(test)

/** A server of node:http on `end`'s listener; requests to it go through `end`'s agent. */
async function served(t, end, handler, agentOptions = {}) {
  const path = end.pathOf(t)
  const server = createServer(handler)
  // From here on it keeps track of its connections, for its time limits.
  server.emit('listening')
  const accepted = await end.listenOn(t, path, socket => server.emit('connection', socket))
  const agent = end.agentTo(path, { keepAlive: true, ...agentOptions })
  t.teardown(() => {
    agent.destroy()
    server.close()
  })
  return { server, accepted, agent, send: options => request({ agent, method: 'POST', ...options }) }
}

const allClosed = accepted =>
  eventually('the connections are closed', () => accepted.every(socket => socket.closed))

function echo(incoming, response) {
  response.setHeader('x-url', incoming.url)
  incoming.pipe(response)
}

const slowEcho = (incoming, response) => setImmediate(() => echo(incoming, response))

const headOf = name => `GET ${name} HTTP/1.1\r\nHost: udsock.test\r\n`

function post(send, options, body) {
  const sent = send(options)
  sent.end(body)
  return answerTo(sent)
}

for (const end of everyEnd()) {
  test(`keep-alive: 50 requests over one connection ${end.title}`, async t => {
    t.timeout(60_000)
    const { accepted, agent, send } = await served(t, end, echo)
    for (let number = 0; number < 50; number++) {
      const { status, headers, body } = await post(send, { path: `/${number}` }, `body ${number}`)
      t.deepEqual([status, headers['x-url'], String(body)], [200, `/${number}`, `body ${number}`])
    }
    t.is(accepted.length, 1)
    agent.destroy()
    await allClosed(accepted)
  })

  test(`10 MiB there and back, with a length and in chunks ${end.title}`, async t => {
    t.timeout(60_000)
    const { accepted, agent, send } = await served(t, end, echo, { maxSockets: 1 })
    const body = randomBytes(10 * MiB)
    const whole = await post(send, { headers: { 'content-length': body.length } }, body)
    t.is(sha256(whole.body), sha256(body))
    const sent = send()
    const answer = answerTo(sent)
    for (let start = 0; start < body.length; start += 70_001) {
      if (!sent.write(body.subarray(start, start + 70_001))) await once(sent, 'drain')
    }
    sent.end()
    t.is(sha256((await answer).body), sha256(body))
    t.is(accepted.length, 1)
    agent.destroy()
    await allClosed(accepted)
  })
}

for (const end of everyEnd({ path: sharedPlaces.path })) {
  // Node's agent counts a connection when it is there: those of connect(), which come later, are as many as requests.
  if (!end.title.includes('connect()'))
    test(`100 requests at once wait for four connections ${end.title}`, async t => {
      t.timeout(60_000)
      const { accepted, send } = await served(t, end, slowEcho, { maxSockets: 4 })
      const names = Array.from({ length: 100 }, (_, number) => `/${number}`)
      const answers = await Promise.all(names.map(name => post(send, { path: name }, name)))
      t.deepEqual(
        answers.map(({ headers, body }) => [headers['x-url'], String(body)]),
        names.map(name => [name, name]),
      )
      t.is(accepted.length, 4)
    })

  test(`trailers go both ways ${end.title}`, async t => {
    t.timeout(60_000)
    let received
    const { send } = await served(t, end, async (incoming, response) => {
      const body = await collect(incoming)
      received = incoming.trailers
      response.writeHead(200, { trailer: 'x-digest' })
      response.write(body)
      response.addTrailers({ 'x-digest': sha256(body) })
      response.end()
    })
    const sent = send({ headers: { trailer: 'x-sent', 'transfer-encoding': 'chunked' } })
    sent.write('in two ')
    sent.addTrailers({ 'x-sent': 'after the body' })
    sent.end('parts')
    const { body, trailers } = await answerTo(sent)
    t.is(String(body), 'in two parts')
    t.deepEqual({ ...received }, { 'x-sent': 'after the body' })
    t.deepEqual({ ...trailers }, { 'x-digest': sha256(body) })
  })

  test(`a body waits for 100-continue ${end.title}`, async t => {
    t.timeout(60_000)
    const order = []
    const { server, send } = await served(t, end, echo)
    server.on('checkContinue', (incoming, response) => {
      order.push('asked')
      response.writeContinue()
      echo(incoming, response)
    })
    const sent = send({ headers: { expect: '100-continue' } })
    sent.on('continue', () => {
      order.push('told')
      sent.end('body')
    })
    sent.flushHeaders()
    t.is(String((await answerTo(sent)).body), 'body')
    t.deepEqual(order, ['asked', 'told'])
  })

  test(`an upgrade hands the connection over, with what came along ${end.title}`, async t => {
    t.timeout(60_000)
    const { server, send } = await served(t, end, echo)
    server.on('upgrade', (_incoming, socket, head) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ')
      socket.write(head)
      socket.pipe(socket)
    })
    const sent = send({ method: 'GET', headers: { connection: 'Upgrade', upgrade: 'echo' } })
    sent.end()
    const [response, socket, head] = await new Promise((resolve, reject) => {
      sent.on('upgrade', (...given) => resolve(given))
      sent.on('error', reject)
    })
    t.is(response.statusCode, 101)
    const body = randomBytes(MiB)
    socket.end(body)
    const bytes = Buffer.concat([head, await collect(socket)])
    t.is(String(bytes.subarray(0, 6)), 'hello ')
    t.is(sha256(bytes.subarray(6)), sha256(body))
  })

  test(`server.keepAliveTimeout closes what is idle, and the next request connects again ${end.title}`, async t => {
    t.timeout(60_000)
    const { server, accepted, send } = await served(t, end, echo)
    server.keepAliveTimeout = 50
    // From Node 24 on, added to the limit in the header.
    server.keepAliveTimeoutBuffer = 0
    t.is(String((await post(send, {}, 'first')).body), 'first')
    await allClosed(accepted)
    t.is(String((await post(send, {}, 'second')).body), 'second')
    t.is(accepted.length, 2)
  })

  test(`a client's timeout is reported, and an abort closes the connection ${end.title}`, async t => {
    t.timeout(60_000)
    const { accepted, send } = await served(t, end, () => {})
    const sent = send({ timeout: 50 })
    sent.end()
    await once(sent, 'timeout')
    sent.destroy()
    t.is((await once(sent, 'error')).code, 'ECONNRESET')
    await allClosed(accepted)
  })

  test(`an end that stops in the middle of an answer ends it at the other side ${end.title}`, async t => {
    t.timeout(60_000)
    let answering
    const { accepted, send } = await served(t, end, (_incoming, response) => {
      answering = response
      response.writeHead(200, { 'content-length': MiB })
      response.write('half')
    })
    for (const who of ['client', 'server']) {
      const sent = send()
      sent.on('error', () => {})
      sent.end()
      const response = await once(sent, 'response')
      const failed = once(response, 'error')
      await once(response, 'data')
      const closed = once(answering, 'close')
      if (who === 'client') response.destroy(new Error('enough'))
      else answering.destroy()
      t.is((await failed).message, who === 'client' ? 'enough' : 'aborted')
      await closed
    }
    t.is(accepted.length, 2)
    await allClosed(accepted)
  })

  test(`server.close() ends idle connections and lets a request finish ${end.title}`, async t => {
    t.timeout(60_000)
    let finish
    const { server, accepted, send } = await served(t, end, (incoming, response) => {
      if (incoming.url !== '/slow') return echo(incoming, response)
      finish = () => response.end('done')
    })
    const slow = post(send, { path: '/slow' })
    await eventually('the slow request is there', () => finish !== undefined)
    await post(send, {}, 'quick')
    server.close()
    await eventually('the idle one is closed', () => accepted[1].closed)
    finish()
    t.is(String((await slow).body), 'done')
    await allClosed(accepted)
  })
}

test('pipelined requests are answered in their order', async t => {
  t.timeout(60_000)
  const path = sharedPlaces.path(t)
  const server = createServer((incoming, response) => {
    setTimeout(() => response.end(incoming.url), incoming.url === '/first' ? 30 : 0)
  })
  await ourListener(t, path, socket => server.emit('connection', socket))
  const socket = await connect(path, { allowHalfOpen: false })
  const names = ['/first', '/second', '/third']
  socket.write(
    names.map(name => `${headOf(name)}\r\n`).join('') + `${headOf('/last')}Connection: close\r\n\r\n`,
  )
  const answered = String(await collect(socket)).match(/\/(?:first|second|third|last)/g)
  t.deepEqual(answered, [...names, '/last'])
})
