import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once as emitted } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { connect, type UnixListener, type UnixSocket } from '../../index.js'
import { everyPlace, eventually, listening, pair, places, receiveAll } from '../helpers/sockets.js'
import { argument, eachLeavesNoDescriptor } from '../helpers/streams.js'

eachLeavesNoDescriptor(test)
// Bun keeps what its first synchronous child opened.
test.before(() => void execFileSync('true'))

type Moment = (action: () => void) => void

/** When something happens, measured in turns of the event loop rather than in time. */
const moments: Record<string, Moment> = {
  now: action => action(),
  'in a microtask': queueMicrotask,
  'in a tick': process.nextTick,
  'in an immediate': action => void setImmediate(action),
  'two immediates later': action => void setImmediate(setImmediate, action),
  'by a timer': action => void setTimeout(action, 1),
}

/** A moment inside a 'data' callback of another socket. */
async function dataMoment(t: ExecutionContext): Promise<Moment> {
  const { client, server } = await pair(t)
  const actions: (() => void)[] = []
  server.on('data', () => {
    for (const action of actions.splice(0)) action()
  })
  return action => {
    actions.push(action)
    client.write('now')
  }
}

/** The same numbers in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * sides)
  }
}

/** A client that sends its number and ends. */
async function sendNumber(listener: UnixListener, number: number): Promise<void> {
  const client = await connect(listener.path)
  client.resume().end(String(number))
}

/** What an accepted client sent; closes the connection. */
async function takeNumber(server: UnixSocket): Promise<number> {
  const number = Number(await receiveAll(server))
  server.destroy()
  return number
}

const numbersBelow = (limit: number): number[] => Array.from({ length: limit }, (_, number) => number)

/** A client in Python that sends the number 1. */
const sendOne = `
import socket, sys
path = sys.argv[1]
client = socket.socket(socket.AF_UNIX)
client.connect(bytes([0]) + bytes.fromhex(path[1:]) if path[0] == '@' else path)
client.sendall(b'1')
`

function run(t: ExecutionContext, limit: number, name: string, ...values: string[]): ChildProcess {
  const program = join(import.meta.dirname, '../programs', name)
  const child = spawn(
    'sh',
    ['-c', `ulimit -n ${limit}; exec "$@"`, 'sh', process.execPath, program, ...values],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

for (const place of everyPlace) {
  test.serial(`an abort against an arrival ends in one of the two, 10,000 times (${place})`, async t => {
    t.timeout(110_000)
    const listener = await listening(t, place)
    const every = [...Object.values(moments), await dataMoment(t)]
    const roll = dice(1)
    const numbers: number[] = []
    const outcomes = { connections: 0, aborts: 0, others: 0 }
    for (let round = 0; round < 10_000; round++) {
      const controller = new AbortController()
      let settled = 0
      const accepting = listener.accept({ signal: controller.signal }).finally(() => settled++)
      const sent = new Promise<void>((resolve, reject) =>
        every[roll(every.length)]!(() => sendNumber(listener, round).then(resolve, reject)),
      )
      // One abort in five comes too late, so that connections win however fast the machine is.
      if (roll(5) === 0) void accepting.then(() => controller.abort())
      else every[roll(every.length)]!(() => controller.abort())
      const [outcome] = await Promise.allSettled([accepting])
      if (outcome.status === 'fulfilled') {
        outcomes.connections++
        numbers.push(await takeNumber(outcome.value))
      } else {
        if ((outcome.reason as NodeJS.ErrnoException).code === 'ABORT_ERR') outcomes.aborts++
        else outcomes.others++
        // Nothing was taken: the client is the next caller's.
        numbers.push(await takeNumber(await listener.accept()))
      }
      await sent
      if (settled !== 1) outcomes.others++
    }
    t.deepEqual(numbers, numbersBelow(10_000))
    t.is(outcomes.others, 0)
    t.is(outcomes.connections + outcomes.aborts, 10_000)
    t.true(
      outcomes.connections > 1000 && outcomes.aborts > 1000,
      `a race has two winners: ${JSON.stringify(outcomes)}`,
    )
  })

  test.serial(`aborts lose no client of another process (${place})`, async t => {
    t.timeout(60_000)
    const listener = await listening(t, place)
    const child = run(t, 4096, 'listener-clients.js', argument(listener.path), '1000')
    const exited = emitted(child, 'close')
    const every = Object.values(moments)
    const roll = dice(2)
    const numbers: number[] = []
    let aborts = 0
    while (numbers.length < 1000) {
      const controller = new AbortController()
      every[roll(every.length)]!(() => controller.abort())
      try {
        numbers.push(await takeNumber(await listener.accept({ signal: controller.signal })))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error
        aborts++
      }
    }
    t.deepEqual(numbers, numbersBelow(1000))
    t.true(aborts > 0)
    t.deepEqual(await exited, [0, null])
  })

  for (const order of ['accept first', 'timeout first', 'accept in an async function'] as const) {
    test.serial(
      `Promise.race of accept and a timeout swallows no connection, ${order} (${place})`,
      async t => {
        t.timeout(60_000)
        const listener = await listening(t, place)
        const arrivals = [...Object.values(moments), await dataMoment(t), await dataMoment(t)]
        // A timeout that is over before the race begins is none.
        const { now: _now, 'in a microtask': microtask, ...later } = moments
        const timeouts = [...Object.values(later), arrivals.at(-2)!, await dataMoment(t)]
        // An async function takes microtasks to hand on what accept() gave at once.
        if (order !== 'accept in an async function') timeouts.push(microtask!)
        const roll = dice(3)
        const rounds = 2000
        const numbers: number[] = []
        const swallowed: Record<string, number> = {}
        const outcomes = { connections: 0, timeouts: 0 }
        for (let round = 0; round < rounds; round++) {
          const controller = new AbortController()
          const [arrival, end] = [roll(arrivals.length), roll(timeouts.length)]
          const sent = new Promise<void>((resolve, reject) =>
            arrivals[arrival]!(() => sendNumber(listener, round).then(resolve, reject)),
          )
          const timeout = new Promise<undefined>(resolve => timeouts[end]!(() => resolve(undefined)))
          const accept = (): Promise<UnixSocket> => listener.accept({ signal: controller.signal })
          const accepting =
            order === 'accept in an async function' ? (async () => await accept())() : accept()
          const winner = await Promise.race(
            order === 'accept first' ? [accepting, timeout] : [timeout, accepting],
          )
          if (winner === undefined) {
            outcomes.timeouts++
            controller.abort()
            const [outcome] = await Promise.allSettled([accepting])
            if (outcome.status === 'fulfilled') {
              const how = `arrival ${arrival}, timeout ${end}`
              swallowed[how] = (swallowed[how] ?? 0) + 1
            }
            const server = outcome.status === 'fulfilled' ? outcome.value : await listener.accept()
            numbers.push(await takeNumber(server))
          } else {
            outcomes.connections++
            numbers.push(await takeNumber(winner))
          }
          await sent
        }
        t.deepEqual(swallowed, {})
        t.deepEqual(numbers, numbersBelow(rounds))
        t.true(outcomes.connections > 100 && outcomes.timeouts > 100, JSON.stringify(outcomes))
      },
    )
  }

  test.serial(
    `a connection beats a timeout that another socket's data brings in the same turn (${place})`,
    async t => {
      t.timeout(30_000)
      const listener = await listening(t, place)
      const inData = await dataMoment(t)
      const order: string[] = []
      const controller = new AbortController()
      const accepting = listener.accept({ signal: controller.signal })
      const timeout = new Promise<string>(resolve => inData(() => resolve('timeout')))
      // Both are there before the event loop looks.
      const sent = sendNumber(listener, 7)
      const winner = await Promise.race([timeout, accepting])
      order.push(typeof winner === 'string' ? winner : 'connection')
      controller.abort()
      const outcome = await accepting.then(
        () => 'connection',
        (error: NodeJS.ErrnoException) => error.code,
      )
      await sent
      // Whatever wins, the other has nothing.
      t.is(await takeNumber(outcome === 'connection' ? await accepting : await listener.accept()), 7)
      t.is(outcome, order[0] === 'connection' ? 'connection' : 'ABORT_ERR')
    },
  )

  test.serial(
    `without descriptors accept waits, costs nothing, and goes on when one is closed (${place})`,
    async t => {
      t.timeout(60_000)
      // The child listens, and its limit is 64.
      const path = places[place](t)
      const child = run(t, 64, 'listener-exhausted.js', argument(path))
      const exited = emitted(child, 'close')
      const said: Record<string, unknown>[] = []
      for await (const line of createInterface(child.stdout!)) {
        const message = JSON.parse(line) as Record<string, unknown>
        said.push(message)
        if ('full' in message) {
          for (const number of [0, 1, 2, 3]) {
            const client = await connect(path)
            t.teardown(() => client.destroy())
            client
              .once('error', () => {})
              .resume()
              .end(`client ${number}`)
          }
          child.stdin!.end('connected')
        }
      }
      t.deepEqual(await exited, [0, null])
      const [, waited, ...others] = said
      t.is(waited?.['accepted'], false)
      t.is(waited?.['connect'], 'connect EMFILE')
      t.true((waited?.['cpu'] as number) < 0.05, `CPU share ${String(waited?.['cpu'])}`)
      const ours = others[0]?.['turns'] as number
      t.true(ours < 10, `${ours} turns of the event loop`)
      t.deepEqual(others, [
        { after: 'one of ours', turns: ours, text: 'client 0' },
        { after: 'a foreign one', text: 'client 1' },
        { after: 'an accepted one', text: 'client 2' },
        { after: 'close', code: 'ERR_LISTENER_CLOSED' },
      ])
    },
  )

  test.serial(`a flood of connections starves neither immediates nor timers (${place})`, async t => {
    t.timeout(60_000)
    const clients = 500
    const listener = await listening(t, place, { backlog: clients })
    for (let number = 0; number < clients; number++) await sendNumber(listener, number)

    let accepted = 0
    let turns = 0
    let atTimer: number | undefined
    const bursts: number[] = []
    const turn = (): void => {
      turns++
      bursts.push(accepted - bursts.reduce((sum, burst) => sum + burst, 0))
      if (accepted < clients) setImmediate(turn)
    }
    setImmediate(turn)
    setTimeout(() => (atTimer = accepted), 1)
    // The timer is due before the loop begins.
    const begun = Date.now()
    while (Date.now() - begun < 5);
    const servers: UnixSocket[] = []
    for await (const server of listener) {
      servers.push(server)
      if (++accepted === clients) break
    }
    const numbers = await Promise.all(servers.map(takeNumber))
    await eventually('the last turn', () => bursts.reduce((sum, burst) => sum + burst, 0) === clients)
    const largest = Math.max(...bursts)
    t.true(largest <= 128, `${largest} of ${clients} in one turn`)
    t.true(turns >= clients / 128, `${turns} turns`)
    t.true(atTimer !== undefined && atTimer <= 256, `the timer ran after ${atTimer}`)
    t.deepEqual(numbers, numbersBelow(clients))
  })

  test.serial(`a flood on one listener leaves the other its turns (${place})`, async t => {
    t.timeout(60_000)
    const clients = 400
    const flooded = await listening(t, place, { backlog: clients })
    const quiet = await listening(t, place)
    for (let number = 0; number < clients; number++) await sendNumber(flooded, number)
    let accepted = 0
    let acceptedBefore = -1
    const waiting = quiet.accept().then(server => {
      acceptedBefore = accepted
      return takeNumber(server)
    })
    // This thread is blocked: what it must see is there before the flood.
    execFileSync('python3', ['-c', sendOne, argument(quiet.path)])
    const servers: UnixSocket[] = []
    while (accepted < clients) {
      servers.push(await flooded.accept())
      accepted++
    }
    const quietly = await waiting
    const numbers = await Promise.all(servers.map(takeNumber))
    t.is(quietly, 1)
    t.true(acceptedBefore < clients, `the quiet listener had to wait for ${acceptedBefore} connections`)
    t.deepEqual(numbers, numbersBelow(clients))
  })
}

for (const [when, abortSoon] of Object.entries({ now: moments['now']!, 'in a tick': moments['in a tick']! }))
  test.serial(`accept() aborted ${when} takes nothing, though a client waits`, async t => {
    const listener = await listening(t)
    const client = await connect(listener.path)
    t.teardown(() => client.destroy())
    for (let round = 0; round < 3; round++) {
      const controller = new AbortController()
      const accepting = listener.accept({ signal: controller.signal })
      abortSoon(() => controller.abort('enough'))
      const error = await t.throwsAsync(accepting, { name: 'AbortError', code: 'ABORT_ERR' })
      t.is(error?.cause, 'enough')
    }
    const { signal } = new AbortController()
    const accepted = await listener.accept({ signal })
    client.end('hello')
    t.is(String(await receiveAll(accepted)), 'hello')
    accepted.destroy()
  })
