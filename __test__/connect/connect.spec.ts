import { AsyncLocalStorage } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once as emitted, setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { connect, type ConnectOptions, listen, type UnixListener, type UnixSocket } from '../../index.js'
import {
  atOnce,
  descriptors,
  eventually,
  everyPlace,
  listening,
  type Place,
  places,
  receive,
  receiveAll,
  sleep,
} from '../helpers/sockets.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'
import { contextsOf } from '../helpers/contexts.js'
import { countedSignal } from '../helpers/signals.js'

eachLeavesNoDescriptor(test, async () => {
  const listener = await listen(places['abstract name'](), { backlog: 0 })
  const client = await connect(listener.path)
  await connect(listener.path, { timeout: 0 }).catch(() => {})
  client.destroy()
  await listener.close()
})

/** A listener with no room, and what to take from it until there is some. */
async function full(t: ExecutionContext, place: Place, backlog = 0): Promise<UnixListener> {
  const listener = await listening(t, place, { backlog })
  for (let count = 0; count <= backlog; count++) {
    const client = await connect(listener.path)
    t.teardown(() => client.destroy())
    client.end('filler')
  }
  return listener
}

/** Connects, sends its name and ends; resolves with the name, or the code of the failure. */
async function introduce(listener: UnixListener, name: string, options?: ConnectOptions): Promise<string> {
  try {
    const client = await connect(listener.path, options)
    client.resume().end(name)
    return name
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}

/** Accepts, and reads what the client sends until it ends. */
async function next(listener: UnixListener): Promise<string> {
  const server = await listener.accept()
  const name = String(await receiveAll(server))
  server.destroy()
  return name
}

/**
 * Connects a filler after an abort. An attempt that the abort met in the kernel may come only now: it is closed, and takes the room until
 * it is accepted.
 */
async function refill(t: ExecutionContext, listener: UnixListener): Promise<void> {
  while ((await introduce(listener, 'filler', { timeout: 0 })) !== 'filler') t.is(await next(listener), '')
}

interface Load {
  outcome: unknown
  /** Of one CPU, by this process: the median of short spells, for a collection of garbage is no part of the waiting. */
  share: number
  milliseconds: number
}

/** What it takes until the promise of `work` settles. */
async function load(work: () => Promise<unknown>): Promise<Load> {
  const start = performance.now()
  const shares: number[] = []
  const settled = work().catch((error: unknown) => error)
  const spell = Symbol('spell')
  let outcome: unknown = spell
  while (outcome === spell) {
    const [cpu, time] = [process.cpuUsage(), performance.now()]
    outcome = await Promise.race([settled, sleep(100).then(() => spell)])
    const { user, system } = process.cpuUsage(cpu)
    shares.push((user + system) / 1000 / (performance.now() - time))
  }
  const share = shares.toSorted((one, other) => one - other)[shares.length >> 1]!
  return { outcome, share, milliseconds: performance.now() - start }
}

function displayed(path: UnixListener['path']): string {
  return typeof path === 'string' ? path : `@${Buffer.from(path as Uint8Array).toString('utf8', 1)}`
}

for (const place of everyPlace) {
  test.serial(`2,000 connects in one tick all succeed, in order, with a backlog of 4 (${place})`, async t => {
    t.timeout(110_000)
    const listener = await listening(t, place)
    const count = 2000
    const names = Array.from({ length: count }, (_, number) => String(number))
    const clients = names.map(name => introduce(listener, name))
    await sleep(200)
    const accepted: string[] = []
    for await (const server of listener) {
      accepted.push(String(await receiveAll(server)))
      server.destroy()
      if (accepted.length === count) break
    }
    t.deepEqual(await Promise.all(clients), names)
    t.deepEqual(accepted, names)
  })

  test.serial(`2,000 connects in one tick are all open at once (${place})`, async t => {
    t.timeout(110_000)
    const listener = await listening(t, place)
    const count = 2000
    const connecting = Promise.all(Array.from({ length: count }, () => connect(listener.path)))
    await sleep(200)
    const servers: UnixSocket[] = []
    while (servers.length < count) servers.push(await listener.accept())
    const clients = await connecting
    t.teardown(() => {
      for (const socket of [...clients, ...servers]) socket.destroy()
    })
    clients.forEach((client, number) => client.write(`client ${number}`.padEnd(16)))
    const heard = await Promise.all(servers.map(async server => String(await receive(server, 16)).trim()))
    t.deepEqual(
      heard,
      clients.map((_, number) => `client ${number}`),
    )
    t.true(clients.every(client => client.bytesWritten === 16))
  })

  test.serial(`a backlog that stays full is ETIMEDOUT on time, at no cost (${place})`, async t => {
    t.timeout(60_000)
    const listener = await full(t, place)
    const held = descriptors()
    const { share, milliseconds, outcome } = await load(() => connect(listener.path, { timeout: 1200 }))
    const error = outcome as NodeJS.ErrnoException & { address: string }
    t.is(error.code, 'ETIMEDOUT')
    t.deepEqual([error.syscall, error.errno, error.address], ['connect', -110, displayed(listener.path)])
    t.true(milliseconds >= 1199, `${milliseconds} ms`)
    t.true(milliseconds < 5000, `${milliseconds} ms`)
    t.true(share < 0.05, `CPU share ${share}`)
    t.is(descriptors(), held)
    t.is(await next(listener), 'filler')
    t.is(await atOnce(listener.accept({ signal: AbortSignal.timeout(100) })), 'pending', 'no other came')
  })

  test.serial(`1,000 waiting clients cost no more than one, and hold no descriptor (${place})`, async t => {
    t.timeout(60_000)
    const listener = await full(t, place)
    const held = descriptors()
    const controller = new AbortController()
    const { signal } = controller
    setMaxListeners(0, signal)
    const waiting = Array.from({ length: 1000 }, () => introduce(listener, 'waiting', { signal }))
    await eventually(
      'only the one that tries has a descriptor, and not for long',
      () => descriptors() === held,
    )
    const { share } = await load(() => sleep(1200))
    t.true(share < 0.05, `CPU share ${share}`)
    t.true(descriptors() <= held + 1)
    controller.abort()
    t.deepEqual(new Set(await Promise.all(waiting)), new Set(['ABORT_ERR']))
    await eventually('no descriptor is left', () => descriptors() === held)
  })

  test.serial(`an abort ends the waiting at once, and no attempt follows (${place})`, async t => {
    t.timeout(30_000)
    const listener = await full(t, place)
    let rounds = 0
    for (let isMet = true; isMet; rounds++) {
      const controller = new AbortController()
      const waiting = connect(listener.path, { signal: controller.signal })
      t.is(await atOnce(waiting), 'pending')
      const reason = new Error('enough')
      controller.abort(reason)
      t.is(await atOnce(waiting), 'ABORT_ERR')
      const error = await t.throwsAsync(waiting, { name: 'AbortError' })
      t.is(error?.cause, reason)
      const successor = introduce(listener, 'successor')
      t.is(await next(listener), 'filler')
      // An attempt that the abort met in the kernel may still connect, and is closed. Not every abort meets one.
      let name = await next(listener)
      isMet = name === ''
      if (isMet) name = await next(listener)
      t.is(name, 'successor')
      t.is(await successor, 'successor')
      await refill(t, listener)
    }
    t.true(rounds < 10, String(rounds))
    t.is(await next(listener), 'filler')
  })

  test.serial(`an abort in the tick of connect() is an abort, whatever becomes of it (${place})`, async t => {
    const listener = await listening(t, place)
    const aborts = { 'at once': (abort: () => void) => abort(), 'in a tick': process.nextTick }
    const paths = { connected: listener.path, missing: '/none/s' }
    const held = descriptors()
    for (const abortSoon of Object.values(aborts))
      for (const path of Object.values(paths)) {
        const controller = new AbortController()
        const connecting = connect(path, { signal: controller.signal })
        abortSoon(() => controller.abort('enough'))
        const error = await t.throwsAsync(connecting, { name: 'AbortError', code: 'ABORT_ERR' })
        t.is(error?.cause, 'enough')
      }
    t.is(descriptors(), held)
  })

  test.serial(`connect() with an aborted signal does not connect (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    await t.throwsAsync(connect(listener.path, { signal: AbortSignal.abort() }), { code: 'ABORT_ERR' })
    const second = introduce(listener, 'second')
    t.is(await next(listener), 'second')
    await second
  })

  test.serial(`a signal has no power over a connected socket, which lets go of it (${place})`, async t => {
    t.timeout(30_000)
    const listener = await full(t, place)
    const { controller, signal, listeners } = countedSignal()
    const waiting = connect(listener.path, { signal })
    t.is(await next(listener), 'filler')
    const client = await waiting
    t.is(listeners(), 0)
    controller.abort()
    client.end('unmoved')
    t.is(await next(listener), 'unmoved')
    client.destroy()
  })

  test.serial(
    `a timeout of 0 connects where there is room and does not wait where there is none (${place})`,
    async t => {
      t.timeout(30_000)
      const listener = await full(t, place)
      t.is(await introduce(listener, 'eager', { timeout: 0 }), 'ETIMEDOUT')
      t.is(await next(listener), 'filler')
      t.is(await introduce(listener, 'eager', { timeout: 0 }), 'eager')
      t.is(await next(listener), 'eager')
    },
  )

  test.serial(`a timeout has no power over a connected socket (${place})`, async t => {
    t.timeout(30_000)
    const listener = await full(t, place)
    const waiting = connect(listener.path, { timeout: 1000 })
    t.is(await next(listener), 'filler')
    const client = await waiting
    await sleep(1100)
    client.end('unmoved')
    t.is(await next(listener), 'unmoved')
    client.destroy()
  })

  test.serial(`waiting clients are served in the order of their calls (${place})`, async t => {
    t.timeout(60_000)
    const listener = await full(t, place, 2)
    const names = Array.from({ length: 100 }, (_, number) => String(number))
    const waiting = names.map(name => introduce(listener, name))
    const accepted: string[] = []
    for (let count = 0; count < 103; count++) accepted.push(await next(listener))
    t.deepEqual(accepted, ['filler', 'filler', 'filler', ...names])
    t.deepEqual(await Promise.all(waiting), names)
  })

  test.serial(`clients that give up leave the others in order (${place})`, async t => {
    t.timeout(60_000)
    const listener = await full(t, place)
    const controller = new AbortController()
    const { signal } = controller
    setMaxListeners(0, signal)
    const waiting = Array.from({ length: 30 }, (_, number) =>
      introduce(listener, String(number), [{}, { signal }, { timeout: 1 }][number % 3]),
    )
    controller.abort()
    await Promise.all(waiting.filter((_, number) => number % 3 > 0))
    const accepted: string[] = []
    for (let count = 0; count < 11; count++) accepted.push(await next(listener))
    const patient = Array.from({ length: 10 }, (_, number) => String(3 * number))
    t.deepEqual(accepted, ['filler', ...patient])
    const outcomes = await Promise.all(waiting)
    t.deepEqual(
      outcomes.map((outcome, number) => outcome === [String(number), 'ABORT_ERR', 'ETIMEDOUT'][number % 3]),
      outcomes.map(() => true),
    )
  })

  test.serial(`a new client waits behind earlier ones, though there is room (${place})`, async t => {
    t.timeout(60_000)
    for (let round = 0; round < 100; round++) {
      const listener = await full(t, place)
      const first = introduce(listener, 'first')
      // Takes the filler before the call returns: now there is room for one.
      const filler = next(listener)
      const newcomer = introduce(listener, 'newcomer')
      t.is(await filler, 'filler')
      t.is(await next(listener), 'first', `round ${round}`)
      t.is(await next(listener), 'newcomer')
      await Promise.all([first, newcomer])
      await listener.close()
    }
  })

  test.serial(`waiting clients are refused when the listener closes (${place})`, async t => {
    t.timeout(30_000)
    const listener = await full(t, place)
    const waiting = Array.from({ length: 10 }, () => connect(listener.path))
    const outcomes = Promise.all(
      waiting.map(attempt =>
        attempt.catch(({ code, syscall }: NodeJS.ErrnoException) => `${syscall} ${code}`),
      ),
    )
    t.is(await atOnce(waiting[0]!), 'pending')
    await listener.close()
    t.deepEqual(
      await outcomes,
      waiting.map(() => 'connect ECONNREFUSED'),
    )
  })

  test.serial(`an abort against room ends in one of the two, 500 times (${place})`, async t => {
    t.timeout(60_000)
    const listener = await full(t, place)
    const outcomes: string[] = []
    for (let round = 0; round < 500; round++) {
      const controller = new AbortController()
      const waiting = introduce(listener, String(round), { signal: controller.signal })
      const taken = next(listener)
      // The retries are 1 ms apart at first.
      if (round % 4 === 0) queueMicrotask(() => controller.abort())
      else if (round % 4 === 1) setImmediate(() => controller.abort())
      else if (round % 4 === 2) setTimeout(() => controller.abort(), 1)
      else setTimeout(() => controller.abort(), 2)
      const outcome = await waiting
      outcomes.push(outcome)
      t.is(await taken, 'filler')
      if (outcome === 'ABORT_ERR') {
        // It may have been connected when the abort came; then it was closed, and its end is read.
        let name = ''
        const filler = introduce(listener, 'filler')
        await eventually(`a filler after round ${round}`, async () => {
          await listener.ready()
          if (name !== '') return true
          name = await next(listener)
          return name === 'filler'
        })
        t.is(await filler, 'filler')
      } else {
        t.is(outcome, String(round))
        t.is(await next(listener), outcome)
      }
      await refill(t, listener)
    }
    t.is(await next(listener), 'filler')
    const aborts = outcomes.filter(outcome => outcome === 'ABORT_ERR').length
    t.true(aborts > 0 && aborts < 500, `${aborts} of 500 aborted`)
  })

  test.serial(`invalid options of connect() are refused, and no connection is made (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const { path } = listener
    const range = { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' } as const
    const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' } as const
    for (const timeout of [-1, NaN, -Infinity]) await t.throwsAsync(connect(path, { timeout }), range)
    for (const timeout of ['1', null, 1n, true])
      await t.throwsAsync(connect(path, { timeout } as unknown as ConnectOptions), type)
    for (const highWaterMark of [-1, 0.5, NaN])
      await t.throwsAsync(connect(path, { highWaterMark }), range, `highWaterMark ${highWaterMark}`)
    for (const options of [null, 1, 'timeout', () => {}])
      await t.throwsAsync(connect(path, options as unknown as ConnectOptions), type)
    for (const signal of [null, {}, 'abort', new AbortController()])
      await t.throwsAsync(connect(path, { signal } as unknown as ConnectOptions), type)
    await t.throwsAsync(connect(path, { allowHalfOpen: 'yes' } as unknown as ConnectOptions), type)
    const mine = introduce(listener, 'mine', {
      timeout: Infinity,
      signal: undefined,
      highWaterMark: undefined,
    })
    t.is(await next(listener), 'mine')
    t.is(await mine, 'mine')
    t.is(await introduce(listener, 'fraction', { timeout: 0.5 }), 'fraction')
    t.is(await introduce(listener, 'age', { timeout: Number.MAX_VALUE }), 'age')
    t.is(await next(listener), 'fraction')
    t.is(await next(listener), 'age')
  })

  test.serial(`a timeout beyond every clock is none (${place})`, async t => {
    t.timeout(30_000)
    const listener = await full(t, place)
    const waiting = [Number.MAX_VALUE, Number.MAX_SAFE_INTEGER, Infinity, 2 ** 31].map(timeout =>
      introduce(listener, String(timeout), { timeout }),
    )
    t.is(await atOnce(Promise.race(waiting)), 'pending')
    const accepted: string[] = []
    for (let count = 0; count < 5; count++) accepted.push(await next(listener))
    t.deepEqual(accepted, ['filler', ...(await Promise.all(waiting))])
  })

  test.serial(`a pending connect keeps the process alive, an aborted one does not (${place})`, async t => {
    t.timeout(60_000)
    const listener = await full(t, place)
    const { path } = listener
    const program = join(import.meta.dirname, '../programs', 'listener-waiter.js')
    for (const what of ['wait', 'abort', 'timeout'] as const) {
      const child = spawn(process.execPath, [program, argument(path), what], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      t.teardown(() => child.kill('SIGKILL'))
      const exited = emitted(child, 'close')
      const said: string[] = []
      for await (const line of createInterface(child.stdout)) {
        said.push(line)
        if (what === 'wait' && line === 'the event loop is idle') {
          t.is(await next(listener), 'filler')
          t.is(await next(listener), 'from the waiter')
          await introduce(listener, 'filler')
        }
      }
      t.deepEqual(await exited, [0, null])
      const outcome = { wait: 'connected', abort: 'ABORT_ERR', timeout: 'ETIMEDOUT' }[what]
      t.deepEqual(said, ['the event loop is idle', outcome])
    }
    t.is(await next(listener), 'filler')
  })

  for (const how of ['at once', 'after waiting'] as const) {
    test.serial(
      `a connected socket's events run in its creator's context, callbacks in their caller's, connected ${how} (${place})`,
      async t => {
        t.timeout(30_000)
        const storage = new AsyncLocalStorage<string>()
        const listener = how === 'at once' ? await listening(t, place) : await full(t, place)
        const connecting = storage.run('creator', () => connect(listener.path, { highWaterMark: 1024 }))
        if (how === 'after waiting') t.is(await next(listener), 'filler')
        const client = await connecting
        const server = await listener.accept()
        t.teardown(() => {
          client.destroy()
          server.destroy()
        })
        const seen = await contextsOf(t, storage, client, server)
        const creator = 'creator'
        t.deepEqual(seen, {
          timeout: 'user',
          data: creator,
          'small write': 'user',
          'large write': 'user',
          drain: creator,
          end: creator,
        })
      },
    )
  }

  for (const how of ['end', 'destroy'] as const) {
    test.serial(
      `a connected socket's 'close' runs in its creator's context after ${how}() elsewhere (${place})`,
      async t => {
        t.timeout(30_000)
        const storage = new AsyncLocalStorage<string>()
        const listener = await listening(t, place)
        const client = await storage.run('creator', () => connect(listener.path))
        const server = await listener.accept()
        server.end()
        server.resume()
        await receiveAll(client)
        const seen = new Promise(resolve => client.once('close', () => resolve(storage.getStore())))
        storage.run('elsewhere', () => client[how]())
        t.is(await seen, 'creator')
      },
    )
  }

  test.serial(`sockets with different contexts do not mix in one turn (${place})`, async t => {
    t.timeout(30_000)
    const storage = new AsyncLocalStorage<string>()
    const listener = await listening(t, place, { backlog: 32 })
    const names = Array.from({ length: 20 }, (_, number) => `context ${number}`)
    const clients: UnixSocket[] = []
    const servers: UnixSocket[] = []
    for (const name of names) {
      clients.push(await storage.run(name, () => connect(listener.path)))
      servers.push(await listener.accept())
    }
    t.teardown(() => {
      for (const socket of [...clients, ...servers]) socket.destroy()
    })
    const seen: unknown[] = []
    const answers: unknown[] = []
    let turnEnded: number | undefined
    const done = new Promise<void>(resolve => {
      clients.forEach((client, number) =>
        client.on('data', (data: Buffer) => {
          // Microtasks run when the whole turn is over.
          if (seen.length === 0) queueMicrotask(() => (turnEnded = seen.length))
          seen.push([storage.getStore(), String(data)])
          client.write('thanks', () => {
            answers.push(storage.getStore())
            if (answers.length === names.length) resolve()
          })
          if (number === 5) storage.run('inside', () => {})
        }),
      )
    })
    servers.forEach((server, number) => server.write(names[number]!))
    await done
    t.is(turnEnded, names.length, 'all of it is one turn')
    t.deepEqual((seen as string[][]).toSorted(), names.map(name => [name, name]).toSorted())
    t.deepEqual((answers as string[]).toSorted(), names.toSorted())
  })
}
