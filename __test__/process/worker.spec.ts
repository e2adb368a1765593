import test, { type ExecutionContext } from 'ava'
import { mkdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { connect, listen, type UnixSocket } from '../../index.js'
import { directory, everyPlace, listening, once, places, receiveAll } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'

interface Left {
  descriptors: number
  threads: number
}

interface Terminated {
  terminated: number
  before: Left
  after: Left
  echo: string
  accepted: number
  closed: number
}

/** A worker without the tests' loader, which `programs/worker-peer.js` describes. */
function peer(t: ExecutionContext, how: string, path: unknown): Worker {
  const url = new URL('../programs/worker-peer.js', import.meta.url)
  const worker = new Worker(url, { execArgv: [], workerData: { how, path } })
  t.teardown(() => worker.terminate())
  return worker
}

test('100 workers, terminated in full traffic, leave no descriptor, no thread and no open connection', async t => {
  t.timeout(110_000)
  const left = await answer<Terminated>(t, start(t, 'worker-terminate.js', ['100', '4']))
  t.is(left.terminated, 100)
  t.is(left.echo, 'still here')
  t.true(left.accepted > 200)
  t.is(left.closed, left.accepted)
  t.is(left.after.descriptors, left.before.descriptors)
  t.true(left.after.threads <= left.before.threads, `${left.after.threads} threads`)
})

test('workers alone load the package, also two at once, and end; the main thread loads it later', async t => {
  t.timeout(60_000)
  const heard = await answer<unknown[]>(t, start(t, 'worker-first.js'))
  const talk = ['from a worker', 0, 0]
  t.deepEqual(heard, [...talk, ...talk, ...talk, ...talk, 'from a worker', 'from the main thread'])
})

for (const place of everyPlace) {
  test(`a worker and the main thread talk over a ${place}, in both roles, and the worker ends by itself`, async t => {
    t.timeout(60_000)
    const listener = await listening(t, place)
    const client = peer(t, 'sends and ends', listener.path)
    const exits = [once(client, 'exit')]
    const echoed = once(client, 'message')
    const socket = await listener.accept()
    socket.end(await receiveAll(socket))
    t.is(await echoed, 'from a worker')

    const path = places[place](t)
    const server = peer(t, 'echoes once', path)
    exits.push(once(server, 'exit'))
    t.is(await once(server, 'message'), 'listens')
    const mine = await connect(path)
    mine.end('to a worker')
    t.is(String(await receiveAll(mine)), 'to a worker')
    t.deepEqual(await Promise.all(exits), [0, 0])
  })
}

interface Accepted {
  worker: Worker
  /** Its exit code, also when it ends before its connection is accepted. */
  exited: Promise<number>
  socket: UnixSocket
}

/** A worker's connection to us. */
async function accepted(t: ExecutionContext, how: string): Promise<Accepted> {
  const listener = await listening(t)
  const worker = peer(t, how, listener.path)
  const exited = once<number>(worker, 'exit')
  const socket = await listener.accept()
  t.teardown(() => socket.destroy())
  return { worker, exited, socket }
}

test('process.exit() in a data callback of a worker delivers what was written, and ends that worker alone', async t => {
  t.timeout(60_000)
  const { exited, socket } = await accepted(t, 'exits in a data callback')
  socket.write('go')
  t.is(String(await receiveAll(socket)), 'last words')
  t.is(await exited, 7)
})

test("a throw in a data callback of a worker is that worker's error, after what was written was sent", async t => {
  t.timeout(60_000)
  const { worker, exited, socket } = await accepted(t, 'throws in a data callback')
  const failed = once<Error>(worker, 'error')
  socket.write('go')
  t.is(String(await receiveAll(socket)), 'last words')
  t.is((await failed).message, 'as it should be')
  t.is(await exited, 1)
})

test('a worker ends by itself when all it has is unreferenced, and closes its descriptors', async t => {
  t.timeout(60_000)
  const { exited, socket } = await accepted(t, 'has only unreferenced things')
  t.is(String(await receiveAll(socket)), '')
  t.is(await exited, 0)
})

test.serial(
  'a relative path is completed in a worker against the directory that the main thread has gone to',
  async t => {
    t.timeout(60_000)
    const home = directory(t)
    const before = process.cwd()
    t.teardown(() => process.chdir(before))
    mkdirSync(`${home}/d`)
    process.chdir(`${home}/d`)
    const server = peer(t, 'echoes once', 's')
    const exited = once(server, 'exit')
    t.is(await once(server, 'message'), 'listens')
    const mine = await connect(`${home}/d/s`)
    mine.end('there')
    t.is(String(await receiveAll(mine)), 'there')
    t.is(await exited, 0)
    await t.throwsAsync(listen(`${home}/d/s`), { code: 'EADDRINUSE' })
  },
)
