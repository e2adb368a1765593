import { createServer } from 'node:https'
import { join } from 'node:path'
import { type Duplex } from 'node:stream'
import test from 'ava'
import { undiciConnector, type UndiciConnector } from '../../http.js'
import { type UnixSocket } from '../../index.js'
import { cert, key } from '../helpers/certificate.js'
import { serve } from '../helpers/http.js'
import { startFile } from '../helpers/program.js'
import { directory, eventually, listening, once, sleep } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'

leavesNoDescriptors(test)

test("a connector gives a connected socket, or undici's caller the error", async t => {
  const target = { protocol: 'http:', hostname: 'localhost' }
  const listener = await listening(t, 'abstract name')
  const connected = (connector: ReturnType<typeof undiciConnector>): Promise<unknown[]> =>
    new Promise(resolve => connector(target, (...result) => resolve(result)))
  const [none, socket] = await connected(undiciConnector(listener.path, { peerUid: process.geteuid!() }))
  t.is(none, null)
  ;(socket as UnixSocket).destroy()
  const [stranger] = await connected(undiciConnector(listener.path, { peerUid: process.geteuid!() + 1 }))
  t.like(stranger, { code: 'ERR_PEER_REFUSED' })
  const missing = join(directory(t), 'missing')
  t.like((await connected(undiciConnector(missing)))[0], { code: 'ENOENT', address: missing })
})

interface Attempt {
  error: (Error & { code?: string }) | null
  socket: Duplex | null
  time: number
}

const attempt = (connector: UndiciConnector, protocol = 'https:'): Promise<Attempt> =>
  new Promise(resolve => {
    const start = performance.now()
    connector({ protocol, hostname: 'udsock.test' }, (error, socket) =>
      resolve({ error, socket, time: performance.now() - start }),
    )
  })

test("a connector's timeout and signal bound the TLS handshake, and leave nothing open", async t => {
  t.timeout(30_000)
  const listener = await listening(t, 'path', { backlog: 16 })
  const accepted: UnixSocket[] = []
  void (async () => {
    for await (const socket of listener) accepted.push(socket.resume())
  })()
  const timed = await attempt(undiciConnector(listener.path, { timeout: 100 }))
  t.like(timed.error, { code: 'ETIMEDOUT', syscall: 'connect', address: listener.path })
  t.true(timed.time >= 99 && timed.time < 5000, `${timed.time} ms`)

  const abort = new AbortController()
  const aborted = attempt(undiciConnector(listener.path, { signal: abort.signal }))
  await eventually('it is connected', () => accepted.length === 2)
  await eventually('the hello has come', () => accepted[1]!.bytesRead > 0)
  abort.abort(new Error('enough'))
  t.like((await aborted).error, { name: 'AbortError', code: 'ABORT_ERR' })
  t.is(((await aborted).error!.cause as Error).message, 'enough')

  const unfit = attempt(undiciConnector(listener.path))
  await eventually('it is connected', () => accepted.length === 3)
  accepted[2]!.end('HTTP/1.1 400 this is no TLS\r\n\r\n')
  t.truthy((await unfit).error)

  const left = attempt(undiciConnector(listener.path))
  await eventually('it is connected', () => accepted.length === 4)
  accepted[3]!.destroy()
  t.truthy((await left).error)
  // The clients' ends have come.
  for (const socket of accepted.slice(0, 3)) socket.end()
  await eventually('all are closed', () => accepted.every(socket => socket.closed))
})

test('a connector calls back once, and its timer and signal are given up after the handshake', async t => {
  t.timeout(60_000)
  const listener = await listening(t, 'path', { allowHalfOpen: false, backlog: 16 })
  const accepted = serve(
    t,
    listener,
    createServer({ key, cert }, (_, response) => response.end()),
  )
  const abort = new AbortController()
  const connected = (timeout: number): Promise<Attempt> =>
    attempt(undiciConnector(listener.path, { timeout, signal: abort.signal, tls: { ca: cert } }))
  let timeout = 1000
  let outcome = await connected(timeout)
  // On a busy machine a handshake may take longer.
  while (timeout < 16_000 && outcome.error?.code === 'ETIMEDOUT') outcome = await connected((timeout *= 4))
  const { error, socket } = outcome
  t.is(error, null)
  const closed = once(socket!, 'close')
  abort.abort()
  await sleep(timeout + 100)
  t.false(socket!.destroyed)
  socket!.destroy()
  await closed
  await eventually('the server has seen it go', () => accepted.every(each => each.closed))
})

test('a process whose connections by a connector are destroyed ends at once', async t => {
  t.timeout(30_000)
  const listener = await listening(t, 'path', { allowHalfOpen: false, backlog: 16 })
  serve(
    t,
    listener,
    createServer({ key, cert }, (_, response) => response.end()),
  )
  const { code, output } = await startFile(t, process.execPath, 'connector-ends.js', [
    listener.path as string,
  ]).ended
  t.is(code, 0)
  const [first, second, exit] = output.split('\n')
  t.regex(`${first} ${second}`, /^null \S+ null \S+$/)
  t.true(Number(exit) - Number(second!.split(' ')[1]) < 1000, output)
})
