import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import pino from 'pino'
import { connect, listen } from '../../index.js'
import { connect as connectSocket, createServer } from '../../net.js'
import { eventually, everyPlace, listening, places, receive, receiveAll } from '../helpers.ts'
import { leavesNoDescriptors } from '../socket-helpers.ts'

const count = 100_000
const settings = { base: null, timestamp: false }
const lineOf = n => `{"level":30,"n":${n},"msg":"line ☃ ${n}"}\n`
const everyLine = Array.from({ length: count }, (_, n) => lineOf(n)).join('')

leavesNoDescriptors(test.serial)

function log(logger) {
  for (let n = 0; n < count; n++) logger.info({ n }, `line ☃ ${n}`)
}

/** Everything, by a reader that rests now and then. */
async function readSlowly(socket) {
  const chunks = []
  for await (const chunk of socket) {
    if (chunks.push(chunk) % 20 === 0) await sleep(2)
  }
  return String(Buffer.concat(chunks))
}

for (const place of everyPlace) {
  test.serial(`pino: 100,000 lines to a reader that is slow (${place})`, async t => {
    const listener = await listening(t, place)
    const socket = await connect(listener.path, { writeLimit: Infinity })
    // Nobody reads a sink: so it closes at its own end.
    socket.closeRead()
    const server = await listener.accept()
    const read = readSlowly(server)
    const logger = pino(settings, socket)
    log(logger)
    t.true(socket.writableNeedDrain)
    logger.flush()
    socket.end()
    await once(socket, 'finish')
    t.true((await read) === everyLine)
    server.end()
    await eventually('both are closed', () => socket.closed && server.closed)
  })
}

test.serial('pino: 100,000 lines from a Socket to a Server of udsock/net', async t => {
  const path = places.path(t)
  const server = createServer().listen(path)
  t.teardown(() => server.close())
  const socket = connectSocket(path)
  // What is logged before there is a connection waits for it.
  log(pino(settings, socket))
  socket.end()
  const [accepted] = await once(server, 'connection')
  t.true((await readSlowly(accepted)) === everyLine)
  await eventually('both are closed', () => socket.closed && accepted.closed)
})

test.serial('pino: a logger that waits for drain needs no more than the default limit', async t => {
  const listener = await listening(t)
  const socket = await connect(listener.path, { highWaterMark: 1024, writeLimit: 64 * 1024 })
  socket.closeRead()
  const server = await listener.accept()
  const read = readSlowly(server)
  const logger = pino(settings, socket)
  for (let n = 0; n < count; n++) {
    logger.info({ n }, `line ☃ ${n}`)
    if (socket.writableNeedDrain) await once(socket, 'drain')
  }
  socket.end()
  t.true((await read) === everyLine)
  server.end()
  await eventually('both are closed', () => socket.closed && server.closed)
})

// pino does not look at what write() returns, so the lines pile up in front of a reader that stands still.
test.serial(
  'pino: beyond the limit each line is an error, and the others are whole and in order',
  async t => {
    const listener = await listening(t)
    const socket = await connect(listener.path, { writeLimit: 1024 * 1024 })
    socket.closeRead()
    const server = await listener.accept()
    const codes = []
    socket.on('error', ({ code }) => codes.push(code))
    const logger = pino(settings, socket)
    log(logger)
    const read = readSlowly(server)
    // Not by node:events, whose once() takes an error for the end.
    await new Promise(resolve => socket.once('drain', resolve))
    logger.info({ n: count }, `line ☃ ${count}`)
    socket.end()
    const lines = (await read).split(/(?<=\n)/)
    t.true(codes.length > 0)
    t.true(codes.every(code => code === 'ERR_BACKPRESSURE_LIMIT'))
    t.is(lines.length + codes.length, count + 1)
    const numbers = lines.map(line => JSON.parse(line).n)
    t.true(numbers.every((n, index) => (index === 0 || n > numbers[index - 1]) && lines[index] === lineOf(n)))
    t.is(numbers.at(-1), count)
    server.end()
    await eventually('both are closed', () => socket.closed && server.closed)
  },
)

test.serial('pino: a transport in a thread of its own, whose end is waited for', async t => {
  const path = places.path(t)
  const listener = await listen(path)
  t.teardown(() => listener.close())
  const target = fileURLToPath(new URL('pino-transport.js', import.meta.url))
  const transport = pino.transport({ target, options: { path } })
  const server = await listener.accept()
  const expected = Buffer.from(everyLine)
  const received = receive(server, expected.length)
  const logger = pino(settings, transport)
  log(logger)
  await new Promise(resolve => logger.flush(resolve))
  // The transport's end() stops this thread, which is the reader's, too: nothing may be left to read.
  t.true(expected.equals(await received))
  transport.end()
  t.is((await receiveAll(server)).length, 0)
  server.end()
  await eventually('it is closed', () => server.closed)
})
