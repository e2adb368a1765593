import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import test from 'ava'
import { WebSocket, WebSocketServer } from 'ws'
import { Agent } from '../../http.js'
import { connect as connectNet } from '../../net.js'
import { everyPlace, eventually, places } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { asText, listeners, MiB, once, ourListener, sha256, sharedPlaces } from './helpers.js'

leavesNoDescriptors(test)

/** A server of ws behind `listenOn`, without a port: it takes what the HTTP server hands over. */
async function serving(t, path, listenOn, onConnection = echo, options = {}) {
  const http = createServer()
  const server = new WebSocketServer({ noServer: true, ...options })
  http.on('upgrade', (request, socket, head) => {
    server.handleUpgrade(request, socket, head, made => onConnection(made, request))
  })
  const accepted = await listenOn(t, path, socket => http.emit('connection', socket))
  t.teardown(() => server.close())
  return { server, accepted }
}

function echo(peer) {
  peer.on('message', (message, binary) => peer.send(message, { binary }))
}

/** How a client gets to the path. */
const ways = {
  agent: path => new WebSocket('ws://udsock.test/chat', { agent: new Agent(path) }),
  createConnection: path =>
    new WebSocket('ws://udsock.test/chat', { createConnection: () => connectNet(asText(path)) }),
}

async function opened(t, client) {
  t.teardown(() => client.terminate())
  await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
  return client
}

async function exchange(client, message) {
  const answer = new Promise(resolve => client.once('message', (data, binary) => resolve([data, binary])))
  client.send(message)
  return await answer
}

async function ended(client, accepted) {
  const closed = new Promise(resolve =>
    client.once('close', (code, reason) => resolve([code, String(reason)])),
  )
  client.close(4001, 'enough')
  const result = await closed
  await eventually('the connections are closed', () => accepted.every(socket => socket.closed))
  return result
}

for (const [place, pathOf] of Object.entries(sharedPlaces))
  for (const [whose, listenOn] of Object.entries(listeners))
    for (const [way, make] of Object.entries(ways))
      test(`messages go there and back, and a close has its code (${way} to ${whose}, ${place})`, async t => {
        t.timeout(60_000)
        const path = pathOf(t)
        const { accepted } = await serving(t, path, listenOn)
        const client = await opened(t, make(path))
        for (const message of [
          Buffer.alloc(0),
          randomBytes(125),
          randomBytes(70_000),
          randomBytes(10 * MiB),
        ]) {
          const [answer, binary] = await exchange(client, message)
          t.true(binary)
          t.is(sha256(answer), sha256(message))
        }
        t.deepEqual(await exchange(client, 'text, ünd'), [Buffer.from('text, ünd'), false])
        t.deepEqual(await ended(client, accepted), [4001, 'enough'])
      })

test('a ws+unix: URL finds our listener', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  const { accepted } = await serving(t, path, ourListener, (socket, request) => socket.send(request.url))
  const client = new WebSocket(`ws+unix:${path}:/room?a=b`)
  const message = once(client, 'message')
  await opened(t, client)
  t.is(String(await message), '/room?a=b')
  t.deepEqual(await ended(client, accepted), [4001, 'enough'])
})

test('a ws+unix: URL goes over our socket, by an agent without a path', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  const { accepted } = await serving(t, path, ourListener)
  const client = await opened(t, new WebSocket(`ws+unix:${path}:/`, { agent: new Agent() }))
  t.deepEqual(await exchange(client, 'here'), [Buffer.from('here'), false])
  t.deepEqual(await ended(client, accepted), [4001, 'enough'])
})

for (const place of everyPlace) {
  test(`1,000 small messages keep their order, with and without compression (${place})`, async t => {
    t.timeout(60_000)
    for (const perMessageDeflate of [false, { threshold: 0 }]) {
      const path = places[place](t)
      const { accepted } = await serving(t, path, ourListener, echo, { perMessageDeflate })
      const client = await opened(
        t,
        new WebSocket('ws://udsock.test', { agent: new Agent(path), perMessageDeflate }),
      )
      t.is(client.extensions, perMessageDeflate === false ? '' : 'permessage-deflate')
      const messages = Array.from({ length: 1000 }, (_, number) => `${number} ${'x'.repeat(number % 300)}`)
      const answers = []
      client.on('message', message => answers.push(String(message)))
      for (const message of messages) client.send(message)
      await eventually('all came back', () => answers.length === messages.length)
      t.deepEqual(answers, messages)
      const large = randomBytes(3 * MiB)
      t.is(sha256((await exchange(client, large))[0]), sha256(large))
      t.deepEqual(await ended(client, accepted), [4001, 'enough'])
    }
  })

  test(`a message in fragments, with pings in between, arrives as one (${place})`, async t => {
    t.timeout(60_000)
    const path = places[place](t)
    const { accepted } = await serving(t, path, ourListener)
    const client = await opened(t, new WebSocket('ws://udsock.test', { agent: new Agent(path) }))
    const body = randomBytes(MiB)
    const pongs = []
    client.on('pong', data => pongs.push(String(data)))
    const answer = once(client, 'message')
    const parts = 16
    for (let part = 0; part < parts; part++) {
      const start = (part * body.length) / parts
      client.send(body.subarray(start, start + body.length / parts), {
        binary: true,
        fin: part === parts - 1,
      })
      client.ping(`ping ${part}`)
    }
    t.is(sha256(await answer), sha256(body))
    await eventually('every ping is answered', () => pongs.length === parts)
    t.deepEqual(
      pongs,
      Array.from({ length: parts }, (_, part) => `ping ${part}`),
    )
    t.deepEqual(await ended(client, accepted), [4001, 'enough'])
  })
}

test('terminate() at either side ends both, without a closing handshake', async t => {
  t.timeout(60_000)
  for (const who of ['client', 'server']) {
    const path = places.path(t)
    let peer
    const { accepted } = await serving(t, path, ourListener, socket => (peer = socket))
    const client = await opened(t, new WebSocket('ws://udsock.test', { agent: new Agent(path) }))
    await eventually('the server has it', () => peer !== undefined)
    const closed = [client, peer].map(one => once(one, 'close'))
    ;(who === 'client' ? client : peer).terminate()
    t.deepEqual(await Promise.all(closed), [1006, 1006])
    await eventually('the connection is closed', () => accepted[0].closed)
  }
})

test('a peer that does not read makes bufferedAmount grow, and gets all of it in the end', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  let peer
  const { accepted } = await serving(t, path, ourListener, socket => (peer = socket))
  const client = await opened(t, new WebSocket('ws://udsock.test', { agent: new Agent(path) }))
  await eventually('the server has it', () => peer !== undefined)
  peer.pause()
  const part = randomBytes(MiB)
  const received = []
  peer.on('message', message => received.push(sha256(message)))
  const count = 12
  const sent = []
  for (let number = 0; number < count; number++)
    sent.push(
      new Promise((resolve, reject) => client.send(part, error => (error ? reject(error) : resolve()))),
    )
  await new Promise(resolve => setTimeout(resolve, 50))
  t.true(client.bufferedAmount > MiB, `${client.bufferedAmount}`)
  t.true(received.length < count)
  peer.resume()
  await Promise.all(sent)
  await eventually('all has arrived', () => received.length === count)
  t.deepEqual(new Set(received), new Set([sha256(part)]))
  t.is(client.bufferedAmount, 0)
  t.deepEqual(await ended(client, accepted), [4001, 'enough'])
})

test('a server that sends on to a peer that does not read reaches our writeLimit, and gets its error', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  let peer
  const { accepted } = await serving(t, path, ourListener, socket => (peer = socket))
  const client = await opened(t, new WebSocket('ws://udsock.test', { agent: new Agent(path) }))
  await eventually('the server has it', () => peer !== undefined)
  client.pause()
  const failures = []
  peer.on('error', error => failures.push(error.code))
  const part = Buffer.alloc(MiB)
  for (let number = 0; number < 40; number++) peer.send(part, error => error && failures.push(error.code))
  await eventually('it gets the error', () => failures.includes('ERR_BACKPRESSURE_LIMIT'))
  client.terminate()
  peer.terminate()
  await eventually('the connection is closed', () => accepted[0].closed)
  t.true(failures.includes('ERR_BACKPRESSURE_LIMIT'))
})
