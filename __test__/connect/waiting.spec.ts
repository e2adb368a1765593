import { spawn } from 'node:child_process'
import { once as emitted, setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { connect, type UnixListener } from '../../index.js'
import { atOnce, descriptors, eventually, everyPlace, sleep } from '../helpers/sockets.js'
import { countedSignal } from '../helpers/signals.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'
import { full, introduce, next, warmUp } from './helpers.js'

eachLeavesNoDescriptor(test, warmUp)

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
}
