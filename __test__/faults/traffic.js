// Many uses of sockets at once: streams of small and large writes, messages, floods, aborts.
// A ledger records everything.
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, FramedSocket, listen } from '../../index.js'
import { randomOf } from './ledger.js'

const pool = Buffer.alloc(4 << 20)
const random = randomOf(1)
for (let at = 0; at < pool.length; at += 4) pool.writeUInt32LE(Math.floor(random() * 2 ** 32), at)

/** Attempts before a client that fails each time gives up. */
const attempts = 40

/** Returns what `work` resolves with, repeated while it rejects; undefined after the last attempt. */
async function persistently(ledger, what, work) {
  for (let attempt = 0; attempt < attempts; attempt++) {
    try {
      return await work()
    } catch (error) {
      ledger.fail(what, error)
    }
  }
  return undefined
}

const closed = socket =>
  socket.closed ? Promise.resolve() : new Promise(resolve => socket.once('close', resolve))

/** Sends back what comes, until the end. */
function echo(ledger, socket) {
  socket.on('data', chunk => {
    if (!socket.write(chunk)) socket.pause()
  })
  socket.on('drain', () => socket.resume())
  socket.on('end', () => socket.end())
  socket.on('error', error => {
    ledger.failedPeers++
    ledger.fail('echo', error)
  })
}

/** Hands every connection to `serve` until the listener is closed. */
async function accepting(ledger, listener, serve) {
  const served = []
  for (;;) {
    try {
      if (served.length % 3 === 0) await listener.ready()
      const socket = await listener.accept()
      served.push(closed(socket))
      serve(socket)
    } catch (error) {
      if (error.code === 'ERR_LISTENER_CLOSED') break
      // A connection that could not be watched may be closed by that.
      ledger.failedPeers++
      ledger.fail('accept', error)
    }
  }
  await Promise.all(served)
}

/** One stream to an echo and back. `chunk()`: the length of the next write. */
async function exchange(ledger, path, { length, offset, chunk, onread }) {
  const expected = pool.subarray(offset, offset + length)
  let received = 0
  const take = bytes => {
    if (expected.subarray(received, received + bytes.length).compare(bytes) !== 0)
      ledger.broken.push(`corrupt within ${received}..${received + bytes.length} of ${length}`)
    received += bytes.length
  }
  const memory = onread
    ? { buffer: Buffer.alloc(5000), callback: (count, buffer) => take(buffer.subarray(0, count)) }
    : undefined
  const socket = await persistently(ledger, 'connect', () => connect(path, { onread: memory }))
  if (socket === undefined) return
  let failure
  let ended = false
  socket.on('error', error => (failure = error))
  socket.on('end', () => {
    ended = true
    // As a program that expects a known length: the rest has no reader.
    if (received < length) socket.destroy()
  })
  if (memory === undefined) socket.on('data', take)
  const end = closed(socket)
  const send = async () => {
    for (let sent = 0; sent < length && !socket.destroyed;) {
      const next = Math.min(length - sent, chunk())
      const room = socket.write(expected.subarray(sent, sent + next))
      sent += next
      if (!room) await Promise.race([once(socket, 'drain').catch(() => {}), end])
    }
    socket.end()
  }
  await Promise.all([send(), end])
  if (failure !== undefined) ledger.fail('stream', failure)
  else if (received === length && ended) ledger.exact++
  else ledger.cut++
}

/** Numbered messages to an echo and back. */
async function converse(ledger, path, count, next) {
  const socket = await persistently(ledger, 'connect', () => connect(path, { peerUid: process.geteuid?.() }))
  if (socket === undefined) return
  const framed = new FramedSocket(socket)
  // The peer may go when everything is there.
  framed.on('error', () => {})
  const lengths = Array.from({ length: count }, () => Math.floor(next() ** 3 * 30_000))
  let received = 0
  try {
    for (const [index, length] of lengths.entries()) framed.send(pool.subarray(index, index + length))
    framed.end()
    for await (const message of framed) {
      const length = lengths[received]
      if (pool.subarray(received, received + length).compare(message) !== 0)
        ledger.broken.push(`message ${received} is not what was sent`)
      received++
    }
    if (received === count) ledger.exact++
    else ledger.cut++
  } catch (error) {
    ledger.fail('messages', error)
  }
  if (received < count) socket.destroy()
  await closed(socket)
}

/** Connects and reads a greeting, or aborts. */
async function visit(ledger, path, next) {
  const late = next()
  const signal = late < 0.2 ? AbortSignal.timeout(Math.floor(late * 50)) : undefined
  let socket
  try {
    socket = await connect(path, { signal })
  } catch (error) {
    if (error.code === 'ABORT_ERR') ledger.exact++
    else ledger.fail('connect', error)
    return
  }
  const end = closed(socket)
  let failure
  socket.on('error', error => (failure = error))
  if (late > 0.9) {
    socket.destroy()
    ledger.exact++
  } else {
    const chunks = []
    socket.on('data', chunk => chunks.push(chunk))
    socket.end()
    await end
    if (failure !== undefined) ledger.fail('visit', failure)
    else if (String(Buffer.concat(chunks)) === 'welcome') ledger.exact++
    else ledger.cut++
  }
  await end
}

/** A listener, `clients` of it, and its end. */
async function server(ledger, path, options, serve, clients) {
  const listener = await persistently(ledger, 'listen', () => listen(path, options))
  if (listener === undefined) return
  const serving = accepting(ledger, listener, serve)
  await clients()
  // A peer without credentials was closed, and counted.
  ledger.failedPeers += listener.refused
  await listener.close()
  await serving
}

/** A file that a listener leaves, and the listeners that follow. */
async function heirs(ledger, path) {
  for (const onExisting of ['error', 'replaceStale', 'takeOver']) {
    const unlinkOnClose = onExisting === 'takeOver'
    const open = () => listen(path, { onExisting, unlinkOnClose, mode: 0o622 })
    const listener = await persistently(ledger, 'listen', open)
    if (listener !== undefined) ledger.exact++
    else if (unlinkOnClose) rmSync(path, { force: true })
    await listener?.close()
  }
}

/**
 * A round of everything in a directory of its own: `place(name)` gives paths. Resolves when all of it is over.
 */
export async function round(ledger, place, seed) {
  const next = randomOf(seed)
  const offset = () => Math.floor(next() * (pool.length / 2))
  const small = () => 1 + Math.floor(next() * 300)
  const large = () => 20_000 + Math.floor(next() * 200_000)
  const mixed = () => (next() < 0.5 ? small() : large())
  const streams = () =>
    Promise.all([
      exchange(ledger, place('echo'), { length: 20_000, offset: offset(), chunk: small }),
      exchange(ledger, place('echo'), { length: 1_000_000, offset: offset(), chunk: large }),
      exchange(ledger, place('echo'), { length: 300_000, offset: offset(), chunk: mixed }),
      exchange(ledger, place('echo'), { length: 1, offset: offset(), chunk: small }),
      exchange(ledger, place('echo'), { length: 200_000, offset: offset(), chunk: mixed, onread: true }),
      converse(ledger, place('echo'), 100, next),
    ])
  const visits = () => Promise.all(Array.from({ length: 30 }, () => visit(ledger, place('flood'), next)))
  const greet = socket => {
    socket.on('error', error => {
      ledger.failedPeers++
      ledger.fail('greeting', error)
    })
    // Only while the peer is still there.
    void socket.remotePath
    socket.resume().end('welcome')
  }
  const echoing = { unlinkOnClose: true, mode: 0o777, allow: 'self' }
  const flooded = { unlinkOnClose: true, backlog: 2 }
  await ledger.inTime(
    'a round',
    Promise.all([
      server(ledger, place('echo'), echoing, socket => echo(ledger, socket), streams),
      server(ledger, place('flood'), flooded, greet, visits),
      heirs(ledger, place('claim')),
    ]),
  )
}
