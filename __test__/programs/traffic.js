// Rounds of everything that enters the addon; prints the counts. Ends by itself or, with the second argument
// 'exit', while sockets are open and talk.
import './settled.js'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { abstractName, connect, FramedSocket, listen } from '../../index.js'

const [rounds, ending] = [Number(process.argv[2]), process.argv[3]]
const directory = mkdtempSync(join(tmpdir(), 'uds-'))
const places = [join(directory, 's'), abstractName(`udsock-traffic-${process.pid}`)]
const done = {}
const count = (what, add = 1) => {
  done[what] = (done[what] ?? 0) + add
}

async function failure(promise, code) {
  try {
    await promise
  } catch (error) {
    if ((error.code ?? error.name) !== code) throw error
    count(code)
    return
  }
  throw new Error(`no ${code}`)
}

/** Sends chunks, often enough several in a turn, ends, and counts what comes back. */
async function echo(path, chunks) {
  const socket = await connect(path)
  let missing = 0
  for (const chunk of chunks) {
    socket.write(chunk)
    missing += chunk.length
  }
  socket.end()
  for await (const chunk of socket) missing -= chunk.length
  if (missing !== 0) throw new Error(`${missing} bytes did not come back`)
  count('echoes')
}

async function messages(path) {
  const framed = new FramedSocket(await connect(path))
  const sent = Array.from({ length: 50 }, (_, index) => Buffer.alloc(index * index, index))
  for (const message of sent) framed.send(message)
  framed.end()
  let index = 0
  for await (const message of framed)
    if (!sent[index++].equals(message)) throw new Error(`message ${index - 1} differs`)
  count('messages', index)
}

/** Errors of each kind: on the way in, under way, and at the end. */
async function errors(path, round) {
  await failure(connect(join(directory, 'nobody')), 'ENOENT')
  await failure(connect(abstractName(`udsock-traffic-nobody-${process.pid}`)), 'ECONNREFUSED')
  await failure(connect(Buffer.alloc(200, 'x')), 'ERR_INVALID_ARG_VALUE')
  await failure(listen(path), 'EADDRINUSE')

  const full = join(directory, `full${round}`)
  const listener = await listen(full, { backlog: 1, unlinkOnClose: true })
  const waiting = [await connect(full), await connect(full)]
  await failure(connect(full, { timeout: 5 }), 'ETIMEDOUT')
  await failure(connect(full, { signal: AbortSignal.timeout(5) }), 'ABORT_ERR')
  await failure(connect(full, { signal: AbortSignal.abort() }), 'ABORT_ERR')
  const server = await listener.accept()
  await (await listener.accept()).destroy()
  await failure(listener.accept({ signal: AbortSignal.timeout(5) }), 'ABORT_ERR')
  const accepting = failure(listener.accept(), 'ERR_LISTENER_CLOSED')
  // Unread bytes, on a connection that its peer then drops.
  const writer = waiting[0]
  const closed = new Promise(resolve => writer.once('close', resolve))
  writer.on('error', () => count('broken'))
  writer.write(Buffer.alloc(2 ** 20))
  server.destroy()
  await closed
  for (const socket of waiting) socket.destroy()
  await listener.close()
  await accepting
}

async function halves(path) {
  const socket = await connect(path)
  socket.closeRead()
  socket.end('x')
  await new Promise(resolve => socket.once('close', resolve))
  count('halves')
}

/** Ends a thread in the middle of its traffic. */
async function terminated(path) {
  const worker = new Worker(new URL('worker-traffic.js', import.meta.url), {
    workerData: { path, bytes: 2 ** 20 },
  })
  await once(worker, 'message')
  await worker.terminate()
  count('workers')
}

const small = Array.from({ length: 60 }, (_, index) => Buffer.alloc(1 + index * 7, 's'))
const large = [Buffer.alloc(3 * 2 ** 20, 'l'), Buffer.alloc(70_000, 'm'), Buffer.from('end')]
for (const path of places) {
  const listener = await listen(path, { backlog: 128, unlinkOnClose: true })
  const serving = (async () => {
    for await (const socket of listener) {
      socket.on('error', () => {})
      socket.pipe(socket)
    }
  })()
  for (let round = 0; round < rounds; round++) {
    await Promise.all([echo(path, small), echo(path, small), echo(path, large), messages(path), halves(path)])
    await errors(path, round)
    if (round % 5 === 0) await Promise.all([terminated(path), terminated(path)])
  }
  await listener.close({ drain: true })
  await serving
}

async function exit() {
  const listener = await listen(places[0], { unlinkOnClose: true })
  const open = await connect(places[0])
  const server = await listener.accept()
  void listener.accept().catch(() => {})
  open.on('data', () => open.write(Buffer.alloc(100_000)))
  server.on('data', () => {
    rmSync(directory, { recursive: true })
    process.exit()
  })
  server.write('go on')
  open.write(Buffer.alloc(300_000))
}

console.log(JSON.stringify(done))
if (ending === 'exit') await exit()
else rmSync(directory, { recursive: true })
