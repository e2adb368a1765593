// ioredis and the client of Redis itself, opposite a real server.
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { cases, happened, once } from '../cases.js'

const path = process.env.UDSOCK_DROP_IN_SERVER

function connected(run, options) {
  const redis = new Redis({ path, retryStrategy: () => 20, ...options })
  redis.on('error', () => {})
  run.defer(() => redis.disconnect())
  return redis
}

const key = () => `key ${process.pid} ${Math.random()}`

await cases({
  'ioredis: values there and back': async run => {
    const redis = connected(run)
    const name = key()
    for (const value of ['text', 'ü€', 'x'.repeat(1_000_000)]) {
      await redis.set(name, value)
      run.note((await redis.get(name)) === value)
    }
    await redis.set(name, Buffer.from([0, 255]))
    run.note([...(await redis.getBuffer(name))], await redis.del(name))
  },
  'ioredis: events of a connection': async run => {
    const redis = run.follow('redis', new Redis({ path }), [
      'connect',
      'ready',
      'close',
      'end',
      'reconnecting',
    ])
    await once(redis, 'ready')
    const ended = happened(redis, 'end')
    run.note(await redis.quit())
    await ended
    return redis.status
  },
  'ioredis: thousands of commands at once': async run => {
    const redis = connected(run)
    const name = key()
    const all = await Promise.all(Array.from({ length: 5_000 }, () => redis.incr(name)))
    return all.every((value, index) => value === index + 1)
  },
  'ioredis: pipelines, transactions and errors': async run => {
    const redis = connected(run)
    const name = key()
    run.note(await redis.pipeline().set(name, 1).incr(name).get(name).exec())
    run.note(
      await redis
        .multi()
        .incr(name)
        .lpush(name, 'x')
        .exec()
        .catch(error => error.name),
    )
    run.note(await redis.call('NONSENSE').catch(error => error.message.slice(0, 19)))
  },
  'ioredis: publish and subscribe': async run => {
    const [one, two] = [connected(run), connected(run)]
    const channel = key()
    await two.subscribe(channel)
    const message = new Promise(resolve => two.on('message', (_channel, text) => resolve(text)))
    await one.publish(channel, 'news')
    return message
  },
  'ioredis: commands before the connection, and after it broke': async run => {
    const redis = connected(run)
    const name = key()
    await redis.set(name, 'kept')
    redis.stream.destroy()
    return redis.get(name)
  },
  'ioredis: a server that is not there': async run => {
    const redis = new Redis({ path: run.path(), retryStrategy: () => null })
    const error = await happened(redis, 'error')
    run.note(error.code, error.syscall)
    run.note(await redis.get('x').catch(failed => failed.message))
  },
  'ioredis: timeouts of commands and of the connection': async run => {
    const redis = connected(run, { commandTimeout: 60 })
    run.note(await redis.blpop(key(), 0).catch(error => error.message))
  },
  'redis: values, pipelines and the close': async run => {
    const client = createClient({ socket: { path } })
    run.follow('client', client, ['connect', 'ready', 'end'])
    client.on('error', () => {})
    await client.connect()
    const name = key()
    const all = await Promise.all(Array.from({ length: 1_000 }, () => client.incr(name)))
    run.note(all.every((value, index) => value === index + 1))
    await client.set(name, 'x'.repeat(2_000_000))
    run.note((await client.get(name)).length)
    await client.close()
  },
  'redis: a server that is not there': async run => {
    const client = createClient({ socket: { path: run.path(), reconnectStrategy: false } })
    client.on('error', () => {})
    const error = await client.connect().catch(failed => failed)
    return error.code
  },
  'redis: a blocking command, and publish and subscribe': async run => {
    const [one, two] = [createClient({ socket: { path } }), createClient({ socket: { path } })]
    run.defer(() => [one, two].forEach(client => client.destroy()))
    await Promise.all([one.connect(), two.connect()])
    const name = key()
    const popped = one.blPop(name, 5)
    await two.rPush(name, 'value')
    run.note((await popped).element)
  },
})
