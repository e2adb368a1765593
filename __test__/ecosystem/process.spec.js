import { fork, spawn } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer as createNetServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { abstractName, connect } from '../../index.js'
import { connect as connectSocket, createServer } from '../../net.js'
import { directory, eventually, pair, places, receiveAll } from '../helpers/sockets.ts'
import { leavesNoDescriptors, pattern } from '../helpers/streams.ts'

const program = fileURLToPath(new URL('programs/listening.js', import.meta.url))
const idle = ['-e', 'process.on("message", () => {}); setInterval(() => {}, 1000)']

leavesNoDescriptors(test.serial)

/** Long enough that Node 20, which pads abstract names with zero bytes, has none to add. */
const fullName = () => `udsock-test-${process.pid}-${Math.random()}`.padEnd(107, 'x')

/**
 * A listening socket that a child can be given: node:net's, because a listener of ours exposes no descriptor. On an abstract name,
 * because node:net would remove the file when this process closes it.
 */
async function inheritable(t) {
  const name = fullName()
  const server = createNetServer().listen(`\0${name}`)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { server, path: abstractName(name) }
}

/** The messages of a process or a worker, by `process.send()`. */
function recorded(t, process) {
  const said = []
  process.on('message', message => said.push(message))
  t.teardown(() => process.kill('SIGKILL'))
  const says = message => eventually(`it says '${message}'`, () => said.includes(message))
  return Object.assign(process, { said, says, ended: once(process, 'exit') })
}

/** Who serves the path. */
async function whoServes(path) {
  const socket = await connect(path)
  socket.end()
  const text = String(await receiveAll(socket))
  return Number(/^process (\d+)$/.exec(text)[1])
}

// Child_process.

test.serial('child_process: a socket is no stdio, for it has no handle', async t => {
  const { client, server } = await pair(t)
  const path = places.path(t)
  const netServer = createServer().listen(path)
  t.teardown(() => netServer.close())
  const netClient = connectSocket(path)
  await once(netClient, 'connect')
  t.teardown(() => netClient.destroy())
  for (const socket of [client, server, netClient]) {
    t.throws(() => spawn(process.execPath, ['-e', '0'], { stdio: ['ignore', socket, 'ignore'] }), {
      code: 'ERR_INVALID_ARG_VALUE',
    })
    t.false(socket.destroyed)
  }
})

test.serial('child_process: a socket is piped to what a child reads, and from what it writes', async t => {
  const { client, server } = await pair(t)
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  server.pipe(child.stdin)
  child.stdout.pipe(server)
  const bytes = pattern(10 * 1024 * 1024)
  client.end(bytes)
  t.true(bytes.equals(await receiveAll(client)))
  t.deepEqual(await exit, [0, null])
  await eventually('both are closed', () => client.closed && server.closed)
})

test.serial('child_process: neither a socket nor a server can be sent', async t => {
  const { client, listener } = await pair(t)
  const server = createServer().listen(places.path(t))
  t.teardown(() => server.close())
  const child = spawn(process.execPath, idle, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exit = once(child, 'exit')
  for (const handle of [client, listener, server]) {
    t.throws(() => child.send('x', handle), { code: 'ERR_INVALID_HANDLE_TYPE' })
  }
  t.false(client.destroyed || listener.closed || !server.listening)
  child.kill()
  await exit
})

/** Three that serve one inherited listener. */
async function share(t, make) {
  const { server, path } = await inheritable(t)
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc', server._handle.fd]
  const sharing = [make(stdio), make(stdio), make(stdio)]
  await Promise.all(sharing.map(one => one.says('listening')))
  // From here on only they have it.
  server.close()
  const pids = await Promise.all(Array.from({ length: 300 }, () => whoServes(path)))
  const known = new Set(sharing.map(one => one.pid))
  t.true(pids.every(pid => known.has(pid)))
  const [leaving, ...staying] = sharing
  leaving.send('close')
  t.deepEqual(await leaving.ended, [0, null])
  const others = await Promise.all(Array.from({ length: 100 }, () => whoServes(path)))
  t.true(others.every(pid => known.has(pid) && pid !== leaving.pid))
  for (const one of staying) one.send('close')
  for (const one of staying) t.deepEqual(await one.ended, [0, null])
  await t.throwsAsync(connect(path), { code: 'ECONNREFUSED' })
}

test.serial('child_process: children share a listener that they inherit', t =>
  share(t, stdio => recorded(t, fork(program, ['fd', '4'], { stdio }))),
)

// Cluster.

/** A worker, as a process. */
function worker(t, args, stdio = ['ignore', 'inherit', 'inherit', 'ipc']) {
  cluster.setupPrimary({ exec: program, args, stdio })
  return recorded(t, cluster.fork().process)
}

test.serial('cluster: workers share a listener that they inherit', t =>
  share(t, stdio => worker(t, ['fd', '4'], stdio)),
)

test.serial('cluster: each worker has a listener of its own, on a path of its own', async t => {
  const folder = directory(t)
  const workers = [0, 1, 2].map(n => [worker(t, ['path', `${folder}/${n}`, 'error']), `${folder}/${n}`])
  for (const [one, path] of workers) {
    await one.says('listening')
    t.is(await whoServes(path), one.pid)
    one.send('close')
    t.deepEqual(await one.ended, [0, null])
  }
})

test.serial("cluster: a worker takes over another's path, and no client sees a gap", async t => {
  const path = places.path(t)
  let old = worker(t, ['path', path, 'takeOver'])
  await old.says('listening')
  for (let restarts = 0; restarts < 3; restarts++) {
    const over = new AbortController()
    const asking = (async () => {
      const pids = new Set()
      while (!over.signal.aborted) pids.add(await whoServes(path))
      return pids
    })()
    const next = worker(t, ['path', path, 'takeOver'])
    await next.says('listening')
    await Promise.all([old.says('superseded'), old.says('closed')])
    over.abort()
    t.true((await asking).has(old.pid))
    t.is(await whoServes(path), next.pid)
    old.disconnect()
    t.deepEqual(await old.ended, [0, null])
    old = next
  }
  old.send('close')
  t.deepEqual(await old.ended, [0, null])
})

// With node:net the primary would listen, and both would have a share.
test.serial(
  'cluster: a Server of udsock/net listens by itself, so the second worker gets EADDRINUSE',
  async t => {
    const path = places.path(t)
    const first = worker(t, ['net', path])
    await first.says('listening')
    const second = worker(t, ['net', path])
    await second.says('EADDRINUSE')
    t.false(second.said.includes('listening'))
    t.is(await whoServes(path), first.pid)
    second.send('disconnect')
    t.deepEqual(await second.ended, [0, null])
    t.is(await whoServes(path), first.pid)
    // The worker's disconnect() closes the channel only: cluster has no record of the server, so the program closes it.
    first.send('disconnect')
    await once(first, 'disconnect')
    t.is(await whoServes(path), first.pid)
    first.kill()
    await first.ended
  },
)
