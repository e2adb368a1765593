import { once } from 'node:events'
import { unlinkSync } from 'node:fs'
import test from 'ava'
import { bindDatagram } from '../../index.js'
import { eventually, places } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'
import { require } from './in-place-of-unix-dgram.js'

const StatsD = require('hot-shots')
const winston = require('winston')
const { Syslog } = require('winston-syslog')

leavesNoDescriptors(test.serial)

/** A receiver that records what arrives. */
async function receiver(t, path, options) {
  const socket = await bindDatagram(path, options)
  t.teardown(() => socket.destroy())
  const messages = []
  // hot-shots ends each metric of a buffer with a line feed.
  socket.on('message', message => messages.push(String(message).trimEnd()))
  return { socket, messages }
}

/** A client of hot-shots, closed after the test, with the errors that it has reported. */
function statsd(t, path, options) {
  const errors = []
  const client = new StatsD({
    protocol: 'uds',
    path,
    maxBufferSize: 0,
    errorHandler: error => errors.push(error),
    ...options,
  })
  t.teardown(() => new Promise(done => client.close(done)))
  return { client, errors }
}

const close = client => new Promise(done => client.close(done))

test.serial('the package in place of unix-dgram has its functions', t => {
  const { createSocket } = require('unix-dgram')
  const socket = createSocket('unix_dgram')
  t.is(socket.type, 'unix_dgram')
  for (const name of ['bind', 'connect', 'send', 'sendto', 'close']) t.is(typeof socket[name], 'function')
  socket.close()
})

test.serial('hot-shots: metrics arrive one by one and in buffers, and callbacks are called', async t => {
  const path = places.path(t)
  const { messages } = await receiver(t, path)
  const { client, errors } = statsd(t, path)
  await new Promise((done, failed) =>
    client.increment('requests', 1, ['a:b'], error => (error ? failed(error) : done())),
  )
  client.gauge('level', 5)
  client.timing('took', 12)
  await eventually('three', () => messages.length === 3)
  t.deepEqual(messages, ['requests:1|c|#a:b', 'level:5|g', 'took:12|ms'])
  const buffered = new StatsD({
    protocol: 'uds',
    path,
    maxBufferSize: 8192,
    errorHandler: error => errors.push(error),
  })
  for (let n = 0; n < 100; n++) buffered.increment(`buffered.${n}`)
  await close(buffered)
  await eventually('the buffer', () => messages.join('\n').includes('buffered.99:1|c'))
  t.deepEqual(errors, [])
})

test.serial('hot-shots: a receiver that is full makes metrics wait, and none is lost', async t => {
  const path = places.path(t)
  const { socket, messages } = await receiver(t, path)
  socket.pause()
  const { client, errors } = statsd(t, path)
  const count = 5000
  for (let n = 0; n < count; n++) client.gauge('n', n)
  await new Promise(done => setImmediate(done))
  socket.resume()
  await eventually('all', () => messages.length === count)
  t.deepEqual(
    messages,
    Array.from({ length: count }, (_, n) => `n:${n}|g`),
  )
  t.deepEqual(errors, [])
})

test.serial('hot-shots: a receiver that restarts gets the metrics from then on', async t => {
  const path = places.path(t)
  const first = await receiver(t, path)
  const { client, errors } = statsd(t, path)
  client.increment('one')
  await eventually('the first', () => first.messages.length === 1)
  await first.socket.close()
  client.increment('lost')
  await eventually('the error', () => errors.length > 0)
  unlinkSync(path)
  const second = await receiver(t, path)
  client.increment('two')
  await eventually('the second', () => second.messages.includes('two:1|c'))
  t.deepEqual(first.messages, ['one:1|c'])
})

for (const protocol of ['unix', 'unix-connect']) {
  test.serial(`winston-syslog: log lines arrive as syslog messages (${protocol})`, async t => {
    const path = places.path(t)
    const { messages } = await receiver(t, path)
    const transport = new Syslog({ protocol, path, app_name: 'spec', localhost: 'here', eol: '' })
    const errors = []
    transport.on('error', error => errors.push(error))
    const logger = winston.createLogger({ levels: winston.config.syslog.levels, transports: [transport] })
    for (let n = 0; n < 200; n++) logger.info(`line ${n}`)
    logger.error('the last')
    await eventually('all', () => messages.length === 201)
    const lines = messages.map(message =>
      /^<(\d+)>.* here spec\[\d+\]: (?:.*: )?(.*)$/.exec(message)?.slice(1),
    )
    t.deepEqual(lines[0]?.[0], '134', messages[0])
    t.true(messages[0].includes('line 0') && messages[199].includes('line 199'))
    t.true(messages[200].startsWith('<131>') && messages[200].includes('the last'), messages[200])
    const closed = once(transport, 'closed')
    logger.close()
    await closed
    t.deepEqual(errors, [])
  })
}
