import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { connect, listen, type UnixListener, type UnixSocket } from '../../index.js'
import {
  codeOf,
  everyPlace,
  listening,
  once,
  places,
  receive,
  receiveAll,
  sleep,
} from '../helpers/sockets.js'
import { answer, Program, runs, start } from '../helpers/program.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'

eachLeavesNoDescriptor(test)

const closedCode = { code: 'ERR_LISTENER_CLOSED' }

/** Clients that have sent their number and wait in the kernel's queue. */
async function queued(t: ExecutionContext, listener: UnixListener, count: number): Promise<UnixSocket[]> {
  const clients: UnixSocket[] = []
  for (let number = 0; number < count; number++) {
    const client = await connect(listener.path)
    t.teardown(() => client.destroy())
    client.write(String.fromCharCode(number))
    clients.push(client)
  }
  return clients
}

/** The number that a client sent; closes the connection. */
async function numberOf(socket: UnixSocket): Promise<number> {
  const [number] = await receive(socket, 1)
  socket.destroy()
  return number!
}

const numbersBelow = (limit: number): number[] => Array.from({ length: limit }, (_, number) => number)

for (const place of everyPlace) {
  test.serial(`draining refuses newcomers at once, hands out what waits, and ends (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 16 })
    const closes: boolean[] = []
    listener.on('close', () => closes.push(listener.closed))
    await queued(t, listener, 5)
    const stopped = listener.close({ drain: true })
    t.is(await codeOf(connect(listener.path)), 'ECONNREFUSED')
    await stopped
    for (const number of numbersBelow(5)) {
      t.false(listener.closed)
      await listener.ready()
      t.is(await numberOf(await listener.accept()), number)
    }
    // The next accept() finds that no client waits any more.
    await listener.ready()
    t.deepEqual([listener.closed, closes], [false, []])
    await t.throwsAsync(listener.accept(), closedCode)
    t.true(listener.closed)
    await listener.close()
    await new Promise(setImmediate)
    t.deepEqual(closes, [true])
    await listener.close({ drain: true })
    await t.throwsAsync(listener.accept(), closedCode)
  })

  test.serial(`an iteration can drain its own listener, and comes to its end (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place, { backlog: 16 })
    await queued(t, listener, 5)
    const numbers: number[] = []
    for await (const socket of listener) {
      if (numbers.length === 1) await listener.close({ drain: true })
      numbers.push(await numberOf(socket))
    }
    t.deepEqual(numbers, numbersBelow(5))
    t.true(listener.closed)
  })

  test.serial(
    `calls of accept() that wait when draining begins resolve or reject, in order (${place})`,
    async t => {
      t.timeout(30_000)
      const listener = await listening(t, place, { backlog: 128 })
      await queued(t, listener, 100)
      const accepts = Array.from({ length: 120 }, () => listener.accept())
      const ready = listener.ready()
      void listener.close({ drain: true })
      const outcomes = await Promise.all(accepts.map(accept => accept.then(numberOf, error => error.code)))
      t.deepEqual(outcomes, [...numbersBelow(100), ...Array.from({ length: 20 }, () => closedCode.code)])
      await ready
      t.true(listener.closed)
    },
  )

  test.serial(`an idle iteration ends when its listener is drained (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const next = listener[Symbol.asyncIterator]().next()
    const ready = listener.ready()
    await new Promise(setImmediate)
    await listener.close({ drain: true })
    t.deepEqual(await next, { done: true, value: undefined })
    await ready
    t.true(listener.closed)
  })

  const ends: Record<string, (listener: UnixListener, controller: AbortController) => unknown> = {
    'close()': listener => listener.close(),
    'an abort': (_, controller) => controller.abort(),
    'leaving the loop': async listener => {
      for await (const socket of listener) {
        socket.destroy()
        break
      }
    },
  }
  for (const [what, end] of Object.entries(ends)) {
    for (const moment of ['at once', 'later'] as const) {
      test.serial(`${what} ends a listener that drains, ${moment} (${place})`, async t => {
        t.timeout(30_000)
        const controller = new AbortController()
        const listener = await listening(t, place, {
          backlog: 16,
          unlinkOnClose: true,
          signal: controller.signal,
        })
        const closed = once(listener, 'close')
        const clients = await queued(t, listener, 5)
        // A client that does not read closes without a word when its peer is gone.
        const received = receiveAll(clients.at(-1)!).then(String, ({ code }) => code)
        const stopped = listener.close({ drain: true })
        if (moment === 'later') await stopped
        await end(listener, controller)
        t.true(listener.closed)
        await t.throwsAsync(listener.accept(), closedCode)
        await listener.ready()
        await Promise.all([stopped, closed])
        // Who waited is closed with the listener.
        t.true(['', 'ECONNRESET'].includes(await received))
        if (typeof listener.path === 'string') t.false(existsSync(listener.path))
      })
    }
  }

  test.serial(
    `a client that waits costs a draining listener nothing, nor keeps it alive (${place})`,
    async t => {
      t.timeout(30_000)
      const program = start(t, 'drain-unasked.js', [argument(places[place](t))])
      const { share, closed } = await answer<{ share: number; closed: boolean }>(t, program)
      t.true(share < 0.02, `CPU share ${share}`)
      t.false(closed)
    },
  )

  test.serial(`close() refuses what is no option of it (${place})`, async t => {
    const listener = await listening(t, place)
    for (const options of [null, 1, 'drain', { drain: null }, { drain: 1 }, { drain: 'yes' }])
      await t.throwsAsync(listener.close(options as never), {
        instanceOf: TypeError,
        code: 'ERR_INVALID_ARG_TYPE',
      })
    t.false(listener.closed)
    await listener.close({ drain: undefined })
    t.true(listener.closed)
  })
}

test.serial('the file is gone when draining has begun, and no lost path is reported', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const listener = await listen(path, { unlinkOnClose: true, backlog: 16 })
  const events: string[] = []
  for (const name of ['pathlost', 'superseded', 'close'] as const) listener.on(name, () => events.push(name))
  await queued(t, listener, 2)
  await listener.close({ drain: true })
  t.deepEqual(readdirSync(dirname(path)), [])
  // The path is free while what waits is handed out.
  const next = await listen(path)
  await sleep(1200)
  t.is(await numberOf(await listener.accept()), 0)
  t.is(await numberOf(await listener.accept()), 1)
  await t.throwsAsync(listener.accept(), closedCode)
  await once(listener, 'close')
  t.deepEqual(events, ['close'])
  t.true(existsSync(path))
  await next.close()
})

test.serial('a listener that was taken over can be drained, and spares the newcomer’s file', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const old = await listen(path, { unlinkOnClose: true, backlog: 16 })
  await queued(t, old, 3)
  const superseded = once(old, 'superseded')
  const newcomer = await listen(path, { onExisting: 'takeOver' })
  await superseded
  await old.close({ drain: true })
  t.true(existsSync(path))
  // It waits for an accept(), beyond the second for which it would have gone on.
  await sleep(1200)
  const numbers: number[] = []
  for await (const socket of old) numbers.push(await numberOf(socket))
  t.deepEqual(numbers, [0, 1, 2])
  const [client, server] = await Promise.all([connect(path), newcomer.accept()])
  client.destroy()
  server.destroy()
  await newcomer.close()
})

test.serial('SIGTERM with 200 requests in flight and 200 queued: 400 answers', async t => {
  t.timeout(60_000)
  const path = places.path(t)
  const server = start(t, 'drain-server.js', [path])
  await server.prints('listening')
  const clients = await Promise.all(Array.from({ length: 400 }, () => connect(path)))
  t.teardown(() => clients.forEach(client => client.destroy()))
  for (const [number, client] of clients.entries()) client.end(String(1000 + number))
  await server.prints('200 in flight')
  server.kill('SIGTERM')
  await server.prints('stopped closed=false')
  t.is(await codeOf(connect(path)), 'ENOENT')
  const answers = await Promise.all(clients.map(async client => String(await receiveAll(client))))
  t.deepEqual(
    answers,
    clients.map((_, number) => String(1000 + number)),
  )
  const { code, signal, output, errors } = await server.ended
  t.deepEqual([code, signal, errors], [0, null, ''])
  t.deepEqual(output.split('\n').slice(-2), ['drained closed=true', 'answered 400'])
})

const parent = fileURLToPath(new URL('../programs/parent.py', import.meta.url))
const child = fileURLToPath(new URL('../programs/drain-inherited.js', import.meta.url))
const withPython = runs('python3', '--version') ? test.serial : test.serial.skip

withPython('draining an inherited listener leaves it to the processes that share it', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const program = new Program(t, 'python3', [parent, 'listener', path, process.execPath, child])
  await program.prints('serving')
  const waiting = await Promise.all([connect(path), connect(path), connect(path)])
  program.stdin.write('drain\n')
  await program.prints('stopped closed=false')
  // The socket still listens: the next connection is another process's.
  const newcomer = await connect(path)
  program.stdin.end('serve\n')
  for (const client of waiting) {
    t.is(String(await receiveAll(client)), 'from the child')
    client.destroy()
  }
  await program.prints('served 3 closed=true refused=0')
  t.is(String(await receiveAll(newcomer)), 'from the parent')
  newcomer.destroy()
  const { code, errors } = await program.ended
  t.deepEqual([code, errors], [0, ''])
})

withPython('draining an inherited listener refuses peers that it does not allow', async t => {
  t.timeout(30_000)
  const path = places.path(t)
  const nobodyHere = String(process.geteuid!() + 1)
  const program = new Program(t, 'python3', [parent, 'listener', path, process.execPath, child, nobodyHere])
  await program.prints('serving')
  const waiting = await Promise.all([connect(path), connect(path), connect(path)])
  program.stdin.write('drain\n')
  await program.prints('stopped closed=false')
  for (const client of waiting) {
    t.is((await receiveAll(client)).length, 0)
    client.destroy()
  }
  const newcomer = await connect(path)
  program.stdin.end('serve\n')
  await program.prints('served 0 closed=true refused=3')
  t.is(String(await receiveAll(newcomer)), 'from the parent')
  newcomer.destroy()
  const { code, errors } = await program.ended
  t.deepEqual([code, errors], [0, ''])
})
