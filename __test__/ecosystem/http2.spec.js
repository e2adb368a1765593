import { randomBytes } from 'node:crypto'
import { connect as connectHttp2, constants, createSecureServer, createServer } from 'node:http2'
import { connect as connectNet } from 'node:net'
import { connect as connectTls } from 'node:tls'
import test from 'ava'
import { connect } from '../../index.js'
import { cert, key } from '../helpers/certificate.ts'
import { eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import {
  asText,
  clients,
  collect,
  listeners,
  MiB,
  netListener,
  once,
  ourListener,
  sha256,
  sharedPlaces,
} from './helpers.js'

leavesNoDescriptors(test)

/** MB. Node's own 10 end a session that is given 10 MiB at once, over whatever socket. */
const maxSessionMemory = 100

/** Clients and servers: at least one of the two ends is ours. */
const ends = [
  ['ours', 'our listener'],
  ['udsock/net', 'our listener'],
  ['ours', "node:net's server"],
  ['udsock/net', "node:net's server"],
  ['node:net', 'our listener'],
]
const everyClient = { ...clients, 'node:net': async path => connectNet(asText(path)) }

function echo(stream, headers) {
  stream.respond({ ':status': 200, 'x-path': headers[':path'] })
  stream.pipe(stream)
}

/** A session over a client's socket; the server's sockets, and its sessions. */
async function served(t, [client, whose], path, handler = echo) {
  const server = createServer({ maxSessionMemory })
  const sessions = []
  server.on('session', session => sessions.push(session)).on('stream', handler)
  const accepted = await listeners[whose](t, path, socket => server.emit('connection', socket))
  const socket = await everyClient[client](path)
  const session = connectHttp2('http://udsock.test', { maxSessionMemory, createConnection: () => socket })
  t.teardown(() => session.destroy())
  return { server, sessions, accepted, socket, session }
}

async function ask(session, path, body) {
  const stream = session.request({ ':method': 'POST', ':path': path })
  stream.end(body)
  // Read from the start: Node 26 closes a stream that has come to its end before it is read.
  const [headers, bytes] = await Promise.all([once(stream, 'response'), collect(stream)])
  return [headers['x-path'], bytes]
}

async function closesBoth(t, { session, socket, accepted }) {
  session.close()
  await eventually('both sockets are closed', () => socket.closed && accepted.every(one => one.closed))
  t.true(session.destroyed)
}

for (const [place, pathOf] of Object.entries(sharedPlaces))
  for (const end of ends) {
    const title = `(${end.join(' to ')}, ${place})`

    test(`100 streams at once, each with its own bytes ${title}`, async t => {
      t.timeout(60_000)
      const made = await served(t, end, pathOf(t))
      const names = Array.from({ length: 100 }, (_, number) => `/${number}`)
      const bodies = names.map((_, number) => randomBytes(number * 331))
      const answers = await Promise.all(names.map((name, number) => ask(made.session, name, bodies[number])))
      t.deepEqual(
        answers.map(([name, bytes]) => [name, sha256(bytes)]),
        names.map((name, number) => [name, sha256(bodies[number])]),
      )
      t.is(made.accepted.length, 1)
      await closesBoth(t, made)
    })

    test(`10 MiB there and back, on two streams at once ${title}`, async t => {
      t.timeout(60_000)
      const made = await served(t, end, pathOf(t))
      const bodies = [randomBytes(10 * MiB), randomBytes(3 * MiB)]
      const answers = await Promise.all(bodies.map(body => ask(made.session, '/large', body)))
      t.deepEqual(
        answers.map(([, bytes]) => sha256(bytes)),
        bodies.map(sha256),
      )
      await closesBoth(t, made)
    })

    test(`a stream without a reader holds up only itself ${title}`, async t => {
      t.timeout(60_000)
      const body = randomBytes(4 * MiB)
      let sent = 0
      const handler = (stream, headers) => {
        stream.respond()
        if (headers[':path'] === '/small') {
          stream.end('small')
          return
        }
        const write = () => {
          while (sent < body.length) {
            const part = body.subarray(sent, sent + 16_384)
            sent += part.length
            if (!stream.write(part)) return
          }
          stream.end()
        }
        stream.on('drain', write)
        write()
      }
      const made = await served(t, end, pathOf(t), handler)
      const stalled = made.session.request({ ':path': '/large' })
      await once(stalled, 'response')
      t.is(String((await ask(made.session, '/small'))[1]), 'small')
      // The window of a stream is 64 KiB, and some wait in streams besides.
      t.true(sent < MiB, `${sent} bytes`)
      t.is(sha256(await collect(stalled)), sha256(body))
      await closesBoth(t, made)
    })

    // Not with this client, whose half-close takes a turn of the event loop: Node 20's session writes meanwhile, when the peer
    // has sent GOAWAY and ended, and Node's JSStreamSocket asserts that this never happens, which ends the process.
    if (end[0] === 'udsock/net') continue

    test(`goaway ends a session behind the last of its streams ${title}`, async t => {
      t.timeout(60_000)
      const answers = []
      const made = await served(t, end, pathOf(t), stream => {
        stream.respond()
        answers.push(() => stream.end('late'))
      })
      const asked = ask(made.session, '/')
      await eventually('it is asked', () => answers.length === 1)
      const told = once(made.session, 'goaway')
      made.sessions[0].goaway(constants.NGHTTP2_NO_ERROR)
      await told
      made.sessions[0].close()
      answers[0]()
      t.is(String((await asked)[1]), 'late')
      await closesBoth(t, made)
    })
  }

test('a session that is destroyed, at either side, ends the streams of the other', async t => {
  t.timeout(60_000)
  for (const who of ['client', 'server']) {
    const made = await served(t, ends[0], sharedPlaces.path(t), stream => {
      stream.on('error', () => {})
      stream.respond()
      stream.write('half')
    })
    made.session.on('error', () => {})
    const stream = made.session.request()
    stream.on('error', () => {})
    await once(stream, 'data')
    const closed = once(stream, 'close')
    ;(who === 'client' ? made.session : made.sessions[0]).destroy()
    await closed
    const { session, sessions, socket, accepted } = made
    await eventually(
      'both sessions are over, and their sockets closed',
      () => session.destroyed && sessions[0].destroyed && socket.closed && accepted[0].closed,
    )
    t.true(stream.destroyed)
  }
})

test('a cancelled stream leaves the session to the others', async t => {
  t.timeout(60_000)
  let cancelled
  const made = await served(t, ends[0], sharedPlaces.path(t), (stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === '/cancelled') cancelled = once(stream, 'close')
    echo(stream, headers)
  })
  const stream = made.session.request({ ':method': 'POST', ':path': '/cancelled' })
  stream.write('half')
  await once(stream, 'response')
  stream.on('error', () => {})
  stream.resume()
  stream.close(constants.NGHTTP2_CANCEL)
  await cancelled
  t.is(String((await ask(made.session, '/', 'whole'))[1]), 'whole')
  await closesBoth(t, made)
})

test('a ping is answered', async t => {
  t.timeout(60_000)
  const made = await served(t, ends[0], sharedPlaces.path(t))
  const payload = randomBytes(8)
  const answer = await new Promise((resolve, reject) => {
    made.session.ping(payload, (error, _, given) => (error ? reject(error) : resolve(given)))
  })
  t.deepEqual(Buffer.from(answer), payload)
  await closesBoth(t, made)
})

for (const [whose, listenOn] of Object.entries({
  'our listener': ourListener,
  "node:net's server": netListener,
}))
  test(`h2 by ALPN over TLS over our socket (${whose})`, async t => {
    t.timeout(60_000)
    const path = sharedPlaces.path(t)
    const server = createSecureServer({ key, cert, maxSessionMemory }).on('stream', echo)
    const accepted = await listenOn(t, path, socket => server.emit('connection', socket))
    const socket = await connect(path)
    const secure = connectTls({ socket, ca: cert, servername: 'udsock.test', ALPNProtocols: ['h2'] })
    await once(secure, 'secureConnect')
    t.is(secure.alpnProtocol, 'h2')
    const session = connectHttp2('https://udsock.test', { maxSessionMemory, createConnection: () => secure })
    t.teardown(() => session.destroy())
    const bodies = [randomBytes(5 * MiB), randomBytes(5 * MiB), Buffer.from('small')]
    const answers = await Promise.all(bodies.map(body => ask(session, '/', body)))
    t.deepEqual(
      answers.map(([, bytes]) => sha256(bytes)),
      bodies.map(sha256),
    )
    await closesBoth(t, { session, socket, accepted })
  })
