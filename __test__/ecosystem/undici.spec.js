import { randomBytes } from 'node:crypto'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Agent, Client, fetch, Pool, request } from 'undici'
import { undiciConnector } from '../../http.js'
import { cert, key } from '../helpers/certificate.ts'
import { project, runIn } from '../helpers/project.ts'
import { eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { listeners, MiB, once, ourListener, sha256, sharedPlaces, asText, netListener } from './helpers.js'

leavesNoDescriptors(test)

const origin = 'http://udsock.test'
const allClosed = accepted =>
  eventually('the connections are closed', () => accepted.every(socket => socket.closed))

/** Sends the body back, with the request's URL in a header. */
function echo(incoming, response) {
  response.setHeader('x-url', incoming.url)
  incoming.pipe(response)
}

function closedAfter(t, dispatcher) {
  t.teardown(() => dispatcher.destroy())
  return dispatcher
}

for (const [place, pathOf] of Object.entries(sharedPlaces))
  for (const [whose, listenOn] of Object.entries(listeners)) {
    const title = `(${whose}, ${place})`

    test(`a Client keeps its connection for 30 requests ${title}`, async t => {
      t.timeout(60_000)
      const path = pathOf(t)
      const server = createServer(echo)
      const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
      const client = closedAfter(t, new Client(origin, { connect: undiciConnector(path) }))
      for (let number = 0; number < 30; number++) {
        const { statusCode, headers, body } = await client.request({
          path: `/${number}`,
          method: 'POST',
          body: `body ${number}`,
        })
        t.deepEqual([statusCode, headers['x-url'], await body.text()], [200, `/${number}`, `body ${number}`])
      }
      t.is(accepted.length, 1)
      await client.close()
      await allClosed(accepted)
    })

    test(`fetch sends 10 MiB there and back, exactly ${title}`, async t => {
      t.timeout(60_000)
      const path = pathOf(t)
      const server = createServer(echo)
      const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
      const dispatcher = closedAfter(t, new Agent({ connections: 1, connect: undiciConnector(path) }))
      const sent = randomBytes(10 * MiB)
      async function* inParts() {
        for (let start = 0; start < sent.length; start += 70_001) yield sent.subarray(start, start + 70_001)
      }
      for (const body of [sent, inParts()]) {
        const response = await fetch(`${origin}/all`, { method: 'POST', body, dispatcher, duplex: 'half' })
        t.is(sha256(Buffer.from(await response.arrayBuffer())), sha256(sent))
      }
      t.is(accepted.length, 1)
      await dispatcher.close()
      await allClosed(accepted)
    })

    test(`a Pool of four serves 100 requests at once ${title}`, async t => {
      t.timeout(60_000)
      const path = pathOf(t)
      const server = createServer((incoming, response) => setImmediate(() => echo(incoming, response)))
      const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
      const pool = closedAfter(t, new Pool(origin, { connections: 4, connect: undiciConnector(path) }))
      const names = Array.from({ length: 100 }, (_, number) => `/${number}`)
      const answers = await Promise.all(
        names.map(async name => {
          const { headers, body } = await pool.request({ path: name, method: 'PUT', body: name })
          return [headers['x-url'], await body.text()]
        }),
      )
      t.deepEqual(
        answers,
        names.map(name => [name, name]),
      )
      t.is(accepted.length, 4)
      await pool.close()
      await allClosed(accepted)
    })

    test(`a body that is aborted in its middle closes the connection, and the next has another ${title}`, async t => {
      t.timeout(60_000)
      const path = pathOf(t)
      const server = createServer((incoming, response) => {
        if (incoming.url === '/end') {
          response.end('fine')
          return
        }
        const write = () => {
          while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
        }
        response.on('drain', write)
        write()
      })
      const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
      const dispatcher = closedAfter(t, new Agent({ connect: undiciConnector(path) }))
      const controller = new AbortController()
      const response = await fetch(origin, { dispatcher, signal: controller.signal })
      const reader = response.body.getReader()
      t.true((await reader.read()).value.length > 0)
      controller.abort()
      const failed = await (async () => {
        while (!(await reader.read()).done);
      })().catch(error => error)
      t.is(failed?.name, 'AbortError')
      await eventually('the server has seen it go', () => accepted[0].closed)
      t.is(await (await fetch(`${origin}/end`, { dispatcher })).text(), 'fine')
      t.true(accepted.length >= 2)
    })
  }

test('pipelined requests are answered in order over one connection, also with 8 MiB in each', async t => {
  t.timeout(60_000)
  const path = sharedPlaces.path(t)
  const server = createServer(echo)
  const accepted = await ourListener(t, path, socket => server.emit('connection', socket))
  const client = closedAfter(t, new Client(origin, { pipelining: 8, connect: undiciConnector(path) }))
  const order = []
  const ask = async (name, body) => {
    // Idempotent, so that undici pipelines them.
    const answer = await client.request({ path: name, method: 'PUT', body, idempotent: true })
    order.push(name)
    return Buffer.from(await answer.body.arrayBuffer())
  }
  const names = Array.from({ length: 50 }, (_, number) => `/${number}`)
  const answers = await Promise.all(names.map(name => ask(name, name)))
  t.deepEqual(answers.map(String), names)
  t.deepEqual(order, names)
  const bodies = Array.from({ length: 4 }, () => randomBytes(8 * MiB))
  const received = await Promise.all(bodies.map((body, number) => ask(`/large/${number}`, body)))
  t.deepEqual(received.map(sha256), bodies.map(sha256))
  t.is(accepted.length, 1)
  await client.close()
  await allClosed(accepted)
})

test('an https origin has TLS over the socket', async t => {
  t.timeout(60_000)
  const path = sharedPlaces.path(t)
  const server = createSecureServer({ key, cert }, echo)
  const accepted = await ourListener(t, path, socket => server.emit('connection', socket))
  const connect = undiciConnector(path, { tls: { ca: cert } })
  const client = closedAfter(t, new Client('https://udsock.test', { connect }))
  const sent = randomBytes(MiB)
  for (let round = 0; round < 3; round++) {
    const { body } = await client.request({ path: '/', method: 'POST', body: sent })
    t.is(sha256(Buffer.from(await body.arrayBuffer())), sha256(sent))
  }
  t.is(accepted.length, 1)
  const stranger = closedAfter(t, new Client('https://stranger.test', { connect }))
  await t.throwsAsync(stranger.request({ path: '/', method: 'GET' }), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
  await client.close()
  await allClosed(accepted)
})

test('a missing listener, and a client that is destroyed while it waits, are reported', async t => {
  t.timeout(60_000)
  const missing = `${sharedPlaces.path(t)}-missing`
  const client = closedAfter(t, new Client(origin, { connect: undiciConnector(missing) }))
  await t.throwsAsync(client.request({ path: '/', method: 'GET' }), { code: 'ENOENT' })
  const { cause } = await t.throwsAsync(
    fetch(origin, { dispatcher: closedAfter(t, new Agent({ connect: undiciConnector(missing) })) }),
  )
  t.is(cause.code, 'ENOENT')

  const path = sharedPlaces.path(t)
  const accepted = await ourListener(t, path, socket => socket.resume())
  const waiting = new Client(origin, { connect: undiciConnector(path) })
  const answer = waiting.request({ path: '/', method: 'GET' })
  await eventually('the server has it', () => accepted.length === 1)
  await waiting.destroy()
  await t.throwsAsync(answer, { code: 'UND_ERR_DESTROYED' })
  await allClosed(accepted)
})

test("undici's own socketPath finds our listener", async t => {
  t.timeout(60_000)
  for (const pathOf of Object.values(sharedPlaces)) {
    const path = pathOf(t)
    const server = createServer(echo)
    const accepted = await ourListener(t, path, socket => server.emit('connection', socket))
    const dispatcher = closedAfter(t, new Agent({ connect: { socketPath: asText(path) } }))
    const sent = randomBytes(MiB)
    const { body } = await request(origin, { dispatcher, method: 'POST', body: sent })
    t.is(sha256(Buffer.from(await body.arrayBuffer())), sha256(sent))
    await dispatcher.close()
    await allClosed(accepted)
  }
})

test('an upgrade through a Client hands the connection over', async t => {
  t.timeout(60_000)
  const path = sharedPlaces.path(t)
  const server = createServer().on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  const accepted = await netListener(t, path, socket => server.emit('connection', socket))
  const client = closedAfter(t, new Client(origin, { connect: undiciConnector(path) }))
  const { socket } = await client.upgrade({ path: '/', protocol: 'echo' })
  const chunks = []
  socket.on('data', chunk => chunks.push(chunk))
  const sent = randomBytes(100_000)
  socket.end(sent)
  await once(socket, 'close')
  t.is(sha256(Buffer.concat(chunks)), sha256(sent))
  await allClosed(accepted)
})

test("the documentation's example of udsock/http runs", async t => {
  t.timeout(60_000)
  const root = new URL('../..', import.meta.url)
  const blocks = readFileSync(new URL('docs/http-and-libraries.md', root), 'utf8').matchAll(
    /```ts\n(.*?)```/gs,
  )
  const example = [...blocks].map(match => match[1]).find(text => text.includes("from 'udsock/http'"))
  const home = project(t)
  const path = join(home, 'app.sock')
  symlinkSync(
    fileURLToPath(new URL('node_modules/undici', import.meta.url)),
    join(home, 'node_modules', 'undici'),
  )
  const end = '\nprocess.stdout.write(await response.text())\nawait served.close({ drain: true })\n'
  const program = example.replaceAll('/run/app.sock', path) + end
  writeFileSync(join(home, 'example.mjs'), program)
  t.deepEqual(await runIn(home, 'example.mjs'), { stdout: 'hellohello', stderr: '' })
})
