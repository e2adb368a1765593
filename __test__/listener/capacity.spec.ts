import { AsyncLocalStorage } from 'node:async_hooks'
import test, { type ExecutionContext } from 'ava'
import { connect, type Overload, type PeerCredentials, type UnixSocket } from '../../index.js'
import {
  everyPlace,
  eventually,
  listening,
  once,
  places,
  receive,
  receiveAll,
  sleep,
} from '../helpers/sockets.js'
import { answer, start, startBehind } from '../helpers/program.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'

eachLeavesNoDescriptor(test)

const fewDescriptors = ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh']

function destroyed(t: ExecutionContext, ...sockets: UnixSocket[]): void {
  t.teardown(() => sockets.forEach(socket => socket.destroy()))
}

async function connected(t: ExecutionContext, path: UnixSocket['remotePath'], count = 1) {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(path!)))
  destroyed(t, ...clients)
  return clients
}

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  const later = {}
  return (await Promise.race([promise, Promise.resolve(later)])) === later
}

for (const place of everyPlace) {
  test.serial(`300 clients, 100 connections at most, the rest waits its turn (${place})`, async t => {
    t.timeout(60_000)
    const listener = await listening(t, place, { backlog: 300, maxConnections: 100 })
    const clients = await connected(t, listener.path, 300)
    const open = new Set<UnixSocket>()
    let [handedOut, most] = [0, 0]
    const looping = (async () => {
      for await (const socket of listener) {
        destroyed(t, socket)
        handedOut++
        open.add(socket.once('close', () => open.delete(socket)))
        most = Math.max(most, open.size)
        socket.resume().end('welcome')
      }
    })()
    await eventually('100 are open', () => handedOut === 100)
    await sleep(200)
    t.is(handedOut, 100)
    // Each that goes makes room for one.
    for (const [gone, client] of clients.entries()) {
      t.is(String(await receiveAll(client)), 'welcome')
      client.destroy()
      await eventually('the next is open', () => handedOut === Math.min(300, 101 + gone))
    }
    t.deepEqual([handedOut, most], [300, 100])
    await listener.close()
    await looping
  })

  test.serial(`300 clients, 100 connections at most, the rest is dropped (${place})`, async t => {
    t.timeout(60_000)
    const listener = await listening(t, place, { backlog: 300, maxConnections: 100, overflow: 'drop' })
    const peers: (PeerCredentials | undefined)[] = []
    listener.on('drop', peer => peers.push(peer))
    const clients = await connected(t, listener.path, 300)
    const served: UnixSocket[] = []
    const looping = (async () => {
      for await (const socket of listener) {
        destroyed(t, socket)
        served.push(socket)
        socket.write('welcome')
      }
    })()
    const greetings = await Promise.all(clients.map(async client => String(await receive(client, 7))))
    t.deepEqual(greetings, [
      ...Array.from({ length: 100 }, () => 'welcome'),
      ...Array.from({ length: 200 }, () => ''),
    ])
    t.is(served.length, 100)
    const self = { uid: process.getuid!(), gid: process.getgid!(), pid: process.pid }
    t.deepEqual(
      peers,
      Array.from({ length: 200 }, () => self),
    )
    // Accepted connections live on, and when one has gone the next is accepted.
    t.true(clients.slice(0, 100).every(client => !client.readableEnded))
    served[0]!.destroy()
    const [next] = await connected(t, listener.path)
    t.is(String(await receive(next!, 7)), 'welcome')
    t.deepEqual([served.length, peers.length], [101, 200])
    await listener.close()
    await looping
  })

  test.serial(`a full listener drops, with or without an accept() that waits (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 16, maxConnections: 1, overflow: 'drop' })
    let drops = 0
    listener.on('drop', () => drops++)
    const [first, ...waiting] = await connected(t, listener.path, 3)
    // As long as there is room they wait for an accept().
    await sleep(50)
    t.is(drops, 0)
    const server = await listener.accept()
    destroyed(t, server)
    for (const client of waiting) t.is((await receiveAll(client)).length, 0)
    for (const client of await connected(t, listener.path, 3)) t.is((await receiveAll(client)).length, 0)
    t.is(drops, 5)
    server.end('last')
    t.is(String(await receiveAll(first!)), 'last')
  })

  test.serial(`ready() and accept() wait for room, in order (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 16, maxConnections: 2 })
    await connected(t, listener.path, 5)
    const [first, second] = [await listener.accept(), await listener.accept()]
    const ready = listener.ready()
    t.true(await isPending(ready))
    const controller = new AbortController()
    const aborted = listener.accept({ signal: controller.signal })
    const order: number[] = []
    const accepts = [3, 4].map(async number => {
      const socket = await listener.accept()
      order.push(number)
      return socket
    })
    t.true(await isPending(Promise.race([aborted, ...accepts])))
    controller.abort()
    await t.throwsAsync(aborted, { code: 'ABORT_ERR' })
    first.destroy()
    const third = await accepts[0]!
    t.true(await isPending(accepts[1]!))
    second.destroy()
    const fourth = await accepts[1]!
    t.deepEqual(order, [3, 4])
    t.true(await isPending(ready))
    third.destroy()
    await ready
    await listener.ready()
    const fifth = await listener.accept()
    fourth.destroy()
    fifth.destroy()
    t.true(await isPending(listener.ready()), 'no call waits any more')
  })

  for (const overflow of ['queue', 'drop'] as const)
    test.serial(`a full listener takes no CPU while it waits, with '${overflow}' (${place})`, async t => {
      t.timeout(30_000)
      const program = start(t, 'listener-full.js', [argument(places[place](t)), overflow])
      const { share } = await answer<{ share: number }>(t, program)
      t.true(share < 0.02, `CPU share ${share}`)
    })

  test.serial(`'drop' comes in the listener's context, and may close it (${place})`, async t => {
    t.timeout(30_000)
    const storage = new AsyncLocalStorage<string>()
    const listener = await storage.run('mine', () =>
      listening(t, place, { backlog: 16, maxConnections: 1, overflow: 'drop' }),
    )
    const contexts: unknown[] = []
    listener.on('drop', () => {
      contexts.push(storage.getStore())
      void listener.close()
    })
    await storage.run('a client', () => connected(t, listener.path, 3))
    const server = await storage.run('a caller', () => listener.accept())
    destroyed(t, server)
    await once(listener, 'close')
    t.deepEqual(contexts, ['mine'])
  })

  test.serial(`a listener that closes in a shortage leaves the event loop as it was (${place})`, async t => {
    t.timeout(30_000)
    const program = startBehind(t, fewDescriptors, 'listener-pause.js', [argument(places[place](t))])
    t.is(await answer(t, program), 'ERR_LISTENER_CLOSED')
  })

  interface Measured {
    share: number
    open: number
    overloads: (Overload & { open: number; at: number })[]
  }

  test.serial(
    `100 clients of a listener with 64 descriptors are all served, it reports what it lacks, and takes its time (${place})`,
    async t => {
      t.timeout(60_000)
      const path = places[place](t)
      const server = startBehind(t, fewDescriptors, 'listener-overloaded.js', [argument(path)])
      const told = async <T>(order: string): Promise<T> => {
        server.stdin.write(`${order}\n`)
        return JSON.parse(await server.nextLine()) as T
      }
      t.is(await server.nextLine(), '"listening"')
      const begun = performance.now()
      const clients = await connected(t, path, 60)
      // Each wakes the listener in its pause, which makes no further attempt of it.
      for (let count = 60; count < 100; count++) {
        clients.push(...(await connected(t, path)))
        await sleep(5)
      }
      const { share, open, overloads } = await told<Measured>('measure')
      t.true(open > 20 && open < 64, `${open} open`)
      t.true(share < 0.02, `CPU share ${share}`)
      const most = 1 + (performance.now() - begun) / 1000
      t.true(overloads.length >= 2 && overloads.length <= most, `${overloads.length} events`)
      for (const [index, overload] of overloads.entries()) {
        t.is(overload.code, 'EMFILE')
        t.is(overload.connections, overload.open)
        t.true(overload.failures >= 1)
        if (index > 0) t.true(overload.at - overloads[index - 1]!.at >= 990, JSON.stringify(overloads))
      }
      const failures = overloads.reduce((sum, overload) => sum + overload.failures, 0)
      t.true(failures < 20, `${failures} failures`)

      const { recovery, accepted } = await told<{ recovery: number; accepted: number }>('free')
      t.is(accepted, open + 1)
      t.true(recovery < 1000, `recovered after ${recovery} ms`)
      t.deepEqual(await told('drain'), { draining: open + 1 })
      await t.throwsAsync(connect(path), { code: 'ECONNREFUSED' })

      for (const client of clients) {
        t.is(String(await receive(client, 7)), 'welcome')
        client.end()
        t.is((await receiveAll(client)).length, 0)
      }
      const { code, signal, output, errors } = await server.ended
      t.deepEqual([code, signal, errors], [0, null, ''])
      t.deepEqual(JSON.parse(output.split('\n').at(-1)!), { served: 100, open: 0 })
    },
  )
}
