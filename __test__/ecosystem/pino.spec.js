import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import pino from 'pino'
import { connect, listen } from '../../index.js'
import { connect as connectSocket, createServer } from '../../net.js'
import { eventually, everyPlace, listening, places, receive, receiveAll } from '../helpers/sockets.ts'
import { leavesNoDescriptors } from '../helpers/streams.ts'

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
test.serial('pino: a line beyond the limit closes the socket, and the reader gets a beginning', async t => {
  const listener = await listening(t)
  const socket = await connect(listener.path, { writeLimit: 1024 * 1024 })
  socket.closeRead()
  const server = await listener.accept()
  const codes = []
  socket.on('error', ({ code }) => codes.push(code))
  log(pino(settings, socket))
  const received = await readSlowly(server)
  t.deepEqual(codes, ['ERR_BACKPRESSURE_LIMIT'])
  t.true(received.length > 0 && received.length < everyLine.length)
  t.true(everyLine.startsWith(received.slice(0, received.lastIndexOf('\n'))))
  server.end()
  await eventually('both are closed', () => socket.closed && server.closed)
})

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
