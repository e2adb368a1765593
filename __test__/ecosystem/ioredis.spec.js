import { join } from 'node:path'
import test from 'ava'
import { AbstractConnector, Redis } from 'ioredis'
import { connect } from '../../index.js'
import { connect as connectSocket } from '../../net.js'
import { eventually } from '../helpers/sockets.ts'
import { leavesNoDescriptors, pattern } from '../helpers/streams.ts'
import { Given, located, needing, ServerProgram } from './servers.js'

const programs = { 'redis-server': located('redis-server') }
const withRedis = needing(programs)
const large = pattern(10 * 1024 * 1024)
let server
let path

/** A client's seam: it asks its Connector for each of its connections. */
function connectors(given) {
  return {
    // ioredis listens to 'connect' itself, so a failure is one that it may retry.
    'a Socket of udsock/net': class extends AbstractConnector {
      constructor(options) {
        super(options.disconnectTimeout)
      }

      async connect() {
        this.connecting = true
        return (this.stream = given.add(connectSocket(path)))
      }
    },
    'a UnixSocket': class extends AbstractConnector {
      constructor(options) {
        super(options.disconnectTimeout)
      }

      async connect() {
        this.connecting = true
        // ioredis leaves it to the socket to follow the server's end.
        return (this.stream = given.add(await connect(path, { allowHalfOpen: false })))
      }
    },
  }
}

const kinds = Object.keys(connectors())

function client(t, given, kind, options) {
  const redis = new Redis({ Connector: connectors(given)[kind], retryStrategy: () => 20, ...options })
  t.teardown(() => redis.disconnect())
  return redis
}

async function startServer() {
  const settings = { port: '0', unixsocket: path, unixsocketperm: '777', dir: server.directory, save: '' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  await server.start(programs['redis-server'], args, async () => {
    const redis = new Redis({ path, lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 })
    redis.on('error', () => {})
    try {
      await redis.connect()
      return (await redis.ping()) === 'PONG'
    } finally {
      redis.disconnect()
    }
  })
}

leavesNoDescriptors(test.serial)

test.serial.before(async t => {
  t.timeout(120_000)
  if (withRedis !== test.serial) return
  server = new ServerProgram('redis')
  path = join(server.directory, 's')
  await startServer()
})

test.serial.after.always(() => server?.remove('SIGTERM'))

for (const kind of kinds) {
  withRedis(`ioredis: commands, errors and values of 10 MiB (${kind})`, async t => {
    const given = new Given()
    const redis = client(t, given, kind)
    t.is(await redis.set('text', 'snow ☃'), 'OK')
    t.is(await redis.get('text'), 'snow ☃')
    t.is(await redis.get('nothing'), null)
    await t.throwsAsync(redis.incr('text'), { message: /not an integer/ })
    await redis.set('large', large)
    t.true(large.equals(await redis.getBuffer('large')))
    await redis.hset('hash', { a: '1', b: '2' })
    t.deepEqual(await redis.hgetall('hash'), { a: '1', b: '2' })
    t.is(given.sockets[0].peer.pid, server.pid)
    t.is(await redis.quit(), 'OK')
    await given.allClose(t)
  })

  withRedis(`ioredis: pipelines, MULTI and thousands of commands at once (${kind})`, async t => {
    const given = new Given()
    const redis = client(t, given, kind)
    const pipeline = redis.pipeline()
    for (let n = 0; n < 10_000; n++) pipeline.set(`key${n}`, `value ${n}`).get(`key${n}`)
    const outcomes = await pipeline.exec()
    t.is(outcomes.length, 20_000)
    t.true(outcomes.every(([error, value], n) => !error && value === (n % 2 ? `value ${(n - 1) / 2}` : 'OK')))
    const values = await Promise.all(Array.from({ length: 10_000 }, (_, n) => redis.get(`key${n}`)))
    t.true(values.every((value, n) => value === `value ${n}`))
    await redis.del('counter')
    const multi = await redis
      .multi()
      .incr('counter')
      .incr('counter')
      .lpush('counter', 'x')
      .get('counter')
      .exec()
    t.deepEqual(
      [multi[0], multi[1], multi[3]],
      [
        [null, 1],
        [null, 2],
        [null, '2'],
      ],
    )
    t.regex(multi[2][0].message, /WRONGTYPE/)
    await redis.quit()
    await given.allClose(t)
  })

  withRedis(`ioredis: messages to subscribers (${kind})`, async t => {
    const given = new Given()
    const [subscriber, publisher] = [client(t, given, kind), client(t, given, kind)]
    const payloads = Array.from({ length: 5000 }, (_, n) => pattern((n * 7) % 3000, n))
    const heard = []
    const all = new Promise(resolve => {
      subscriber.on('messageBuffer', (channel, message) => {
        if (heard.push(message) === payloads.length) resolve()
      })
    })
    await subscriber.subscribe('channel')
    const counts = await Promise.all(payloads.map(payload => publisher.publish('channel', payload)))
    t.true(counts.every(count => count === 1))
    await all
    t.true(heard.every((message, n) => message.equals(payloads[n])))
    await subscriber.unsubscribe('channel')
    await Promise.all([subscriber.quit(), publisher.quit()])
    await given.allClose(t)
  })

  withRedis(`ioredis: a pop that waits (${kind})`, async t => {
    const given = new Given()
    const [waiting, pushing] = [client(t, given, kind), client(t, given, kind)]
    const popped = waiting.blpop('list', 0)
    // Only a client that is known to wait has been served late.
    const isBlocked = async () => /blocked_clients:1\b/.test(await pushing.info('clients'))
    await eventually('the client waits', isBlocked)
    await pushing.rpush('list', 'element')
    t.deepEqual(await popped, ['list', 'element'])
    await Promise.all([waiting.quit(), pushing.quit()])
    await given.allClose(t)
  })

  withRedis(`ioredis: a client that the server has cut off connects again (${kind})`, async t => {
    const given = new Given()
    const [redis, other] = [client(t, given, kind), client(t, given, kind)]
    const id = await redis.client('ID')
    const popped = redis.blpop('after', 0)
    await eventually('the client waits', async () => /blocked_clients:1\b/.test(await other.info('clients')))
    t.is(await other.client('KILL', 'ID', id), 1)
    // ioredis sends again what has no answer yet.
    await other.rpush('after', 'again')
    t.deepEqual(await popped, ['after', 'again'])
    t.is(given.sockets.length, 3)
    await Promise.all([redis.quit(), other.quit()])
    await given.allClose(t)
  })
}

withRedis('ioredis: a server that restarts is found again by Sockets of udsock/net', async t => {
  const given = new Given()
  const redis = client(t, given, 'a Socket of udsock/net', { maxRetriesPerRequest: null })
  const errors = new Set()
  redis.on('error', error => errors.add(error.code))
  await redis.ping()
  const subscriber = client(t, given, 'a Socket of udsock/net', { maxRetriesPerRequest: null })
  subscriber.on('error', error => errors.add(error.code))
  const message = new Promise(resolve => subscriber.on('message', (_, text) => resolve(text)))
  await subscriber.subscribe('channel')
  await server.stop('SIGKILL')
  const refused = () => errors.has('ECONNREFUSED') || errors.has('ENOENT')
  await eventually('attempts were refused', refused)
  const pong = redis.ping()
  await startServer()
  t.is(await pong, 'PONG')
  await eventually('the subscription is renewed', async () => (await redis.publish('channel', 'anew')) === 1)
  t.is(await message, 'anew')
  await Promise.all([redis.quit(), subscriber.quit()])
  await given.allClose(t)
})

// What a Connector's promise rejects with, ioredis takes for the end: so a Connector that waits has to retry by itself.
withRedis("ioredis: a Connector's rejection is final", async t => {
  const reason = new Error('no server')
  let attempts = 0
  class Failing extends AbstractConnector {
    async connect() {
      attempts++
      throw reason
    }
  }
  const redis = new Redis({ Connector: Failing, lazyConnect: true, retryStrategy: () => 1 })
  redis.on('error', () => {})
  await t.throwsAsync(redis.connect(), { is: reason })
  t.is(redis.status, 'end')
  t.is(attempts, 1)
})

// connect() makes such sockets by default.
withRedis("ioredis: after quit() a UnixSocket that may be half open is the program's to end", async t => {
  const given = new Given()
  class HalfOpen extends AbstractConnector {
    async connect() {
      return (this.stream = given.add(await connect(path)))
    }
  }
  const redis = new Redis({ Connector: HalfOpen, retryStrategy: null })
  t.is(await redis.ping(), 'PONG')
  t.is(await redis.quit(), 'OK')
  const [socket] = given.sockets
  await eventually('the server has ended', () => socket.readableEnded)
  t.is(socket.readyState, 'writeOnly')
  socket.end()
  await given.allClose(t)
})
