// Makes reports and heap snapshots in the middle of traffic, on sockets that flow both ways, while others wait. Prints what
// they were and whether the bytes are what was sent.
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getHeapSnapshot, writeHeapSnapshot } from 'node:v8'
import { abstractName, connect, listen } from '../../index.js'

const newName = () => abstractName(`udsock-inspected-${randomBytes(8).toString('hex')}`)
const listener = await listen(newName(), { backlog: 64 })
const full = await listen(newName(), { backlog: 0 })
await connect(full.path)
const waiting = [connect(full.path), connect(full.path)]

let over = false
const received = { bytes: 0 }

/** Sends until the end, and digests what arrives. */
function flow(socket) {
  const [sent, digest] = [createHash('sha256'), createHash('sha256')]
  const send = () => {
    for (;;) {
      if (over) return void socket.end()
      const chunk = randomBytes(1 + Math.floor(Math.random() * 20_000))
      sent.update(chunk)
      if (!socket.write(chunk)) return void socket.once('drain', send)
    }
  }
  socket.on('data', chunk => {
    received.bytes += chunk.length
    digest.update(chunk)
  })
  send()
  return new Promise(resolve =>
    socket.on('close', () => resolve({ sent: sent.digest('hex'), received: digest.digest('hex') })),
  )
}

/** In between there has been traffic. */
async function more() {
  const enough = received.bytes + 1_000_000
  while (received.bytes < enough) await new Promise(setImmediate)
}

const pairs = []
for (let count = 0; count < 4; count++) {
  const ends = await Promise.all([connect(listener.path), listener.accept()])
  pairs.push(Promise.all(ends.map(flow)))
}
const directory = mkdtempSync(join(tmpdir(), 'uds-'))
const made = { reports: 0, snapshots: 0, files: 0 }
for (let round = 0; round < 3; round++) {
  for (let report = 0; report < 5; report++) {
    await more()
    if (process.report.getReport().libuv.length > 0) made.reports++
  }
  await more()
  let length = 0
  for await (const part of getHeapSnapshot()) length += part.length
  if (length > 100_000) made.snapshots++
  await more()
  const file = join(directory, `${round}.heapsnapshot`)
  // From a callback of a socket's, too.
  if (round === 0) {
    const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
    client.end('now')
    await new Promise(resolve => server.once('data', () => resolve(writeHeapSnapshot(file))))
    server.destroy()
  } else writeHeapSnapshot(file)
  if (statSync(file).size > 100_000) made.files++
}
rmSync(directory, { recursive: true })
over = true
const digests = await Promise.all(pairs)
const exact = digests.filter(([one, other]) => one.sent === other.received && other.sent === one.received)
for (let count = 0; count < 3; count++) (await full.accept()).destroy()
for (const socket of await Promise.all(waiting)) socket.destroy()
await Promise.all([listener.close(), full.close()])
process.once('exit', code => console.log(JSON.stringify({ ...made, exact: exact.length, code })))
