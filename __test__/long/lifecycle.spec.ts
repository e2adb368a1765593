import test, { type ExecutionContext } from 'ava'
import { existsSync } from 'node:fs'
import { connect, listen, type SystemError, type UnixSocket } from '../../index.js'
import { listening, once, places, receive, receiveAll, sleep } from '../helpers/sockets.js'
import { answer, start, startOn, type Waker, wakers } from '../helpers/program.js'
import { generator } from '../helpers/streams.js'

/** Of what is random here: `UDSOCK_SEED` takes the one that a failure has named. */
const seed = Number(process.env['UDSOCK_SEED'] ?? Date.now() % 1e9)

const bothWakers = Object.keys(wakers) as Waker[]

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

/** The process is as it was, and its own sockets live. */
function survived(t: ExecutionContext, left: Terminated, workers: number): void {
  t.is(left.terminated, workers)
  t.is(left.echo, 'still here')
  t.is(left.closed, left.accepted)
  t.is(left.after.descriptors, left.before.descriptors)
  t.true(left.after.threads <= left.before.threads, `${left.after.threads} threads`)
}

for (const waker of bothWakers) {
  test.serial(`250 workers, terminated in full traffic, leave nothing (${waker})`, async t => {
    t.timeout(5 * 60_000)
    const left = await answer<Terminated>(t, startOn(t, waker, 'worker-terminate.js', ['250', '8']))
    survived(t, left, 250)
    t.true(left.accepted > 500)
  })

  test.serial(
    `16 workers at once, terminated at random moments, 25 times, leave nothing (${waker})`,
    async t => {
      t.timeout(5 * 60_000)
      t.log(`seed ${seed}`)
      const left = await answer<Terminated>(
        t,
        startOn(t, waker, 'worker-terminate.js', ['400', '16', String(seed + 1)]),
      )
      survived(t, left, 400)
    },
  )
}

test.serial(
  'process.exit() in any callback: 300 processes end with its code, and send what they wrote',
  async t => {
    t.timeout(5 * 60_000)
    const callbacks = await answer<string[]>(t, start(t, 'exit-anywhere.js'))
    const random = generator(seed)
    t.log(`seed ${seed}, ${callbacks.length} callbacks`)
    const atOnce = 4
    let begun = 0
    const outcomes = new Map<string, number>()

    async function next(): Promise<void> {
      const listener = await listening(t)
      while (begun < 300) {
        const index = begun++
        const waker = bothWakers[index % 2]!
        // Each on both wakers, and then as it comes.
        const place = callbacks[index >> 1] ?? callbacks[random(callbacks.length)]!
        const code = 1 + random(200)
        const what = `${place}, ${waker}, process ${index}`
        const args = [listener.path as string, place, String(code)]
        const program = startOn(t, waker, 'exit-anywhere.js', args, 100)
        // Its connection waits in the queue by the time that it ends, which may be seen first.
        const late = program.ended.then(ended => sleep(2000).then(() => ended))
        const first = await Promise.race([listener.accept(), late])
        if ('errors' in first) {
          t.fail(`${what} ended before it connected: ${first.errors}`)
          continue
        }
        const received = String(await receiveAll(first))
        if (!first.closed) await once(first.end(), 'close')
        const { code: ended, signal, errors } = await program.ended
        t.deepEqual({ ended, signal, errors }, { ended: code, signal: null, errors: '' }, what)
        t.true(received === `last ${'w'.repeat(50_000)} words`, `${what}: ${received.length} bytes`)
        outcomes.set(waker, (outcomes.get(waker) ?? 0) + 1)
      }
    }

    await Promise.all(Array.from({ length: atOnce }, next))
    t.log(Object.fromEntries(outcomes))
  },
)

const reborn = new Set(['ECONNREFUSED', 'ENOENT'])

/** Until the server of this path listens. */
async function connected(path: string): Promise<UnixSocket> {
  for (;;) {
    try {
      return await connect(path)
    } catch (error) {
      if (!reborn.has((error as SystemError).code)) throw error
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
}

async function answers(socket: UnixSocket, request: string): Promise<boolean> {
  socket.write(request)
  return String(await receive(socket, request.length)) === request
}

/** How a server ends: what its client does, what becomes of the file, and what the process is to leave. */
const ends = {
  exception: { code: 1, signal: null },
  'unhandled SIGTERM': { code: null, signal: 'SIGTERM' },
  'SIGTERM that drains': { code: 0, signal: null },
} as const

for (const [end, expected] of Object.entries(ends)) {
  const rounds = end === 'exception' ? 100 : 50
  test.serial(
    `after ${end} the next server gets the path, and clients reconnect, ${rounds} times`,
    async t => {
      t.timeout(5 * 60_000)
      const path = places.path(t)
      let reconnected: Promise<UnixSocket> | undefined
      for (let round = 0; round < rounds; round++) {
        const waker = bothWakers[round % 2]!
        const unlinkOnClose = round % 4 < 2
        const options = JSON.stringify({ onExisting: 'replaceStale', unlinkOnClose, backlog: 16 })
        const server = startOn(t, waker, 'restart-server.js', [
          path,
          options,
          end.endsWith('drains') ? 'drain' : '',
        ])
        t.is(await server.nextLine(), 'listening', `round ${round}`)
        // One has been trying since its server was gone.
        const clients = [await connected(path), await (reconnected ?? connected(path))]
        for (const client of clients) {
          client.on('error', () => {})
          t.true(await answers(client, `round ${round}`))
        }
        const closed = clients.map(client => once(client, 'close'))
        if (end === 'exception') clients[0]!.write('throw')
        else server.kill('SIGTERM')
        for (const client of clients) client.resume().end()
        const { code, signal, errors } = await server.ended
        t.deepEqual({ code, signal }, expected, `round ${round}: ${errors}`)
        t.is(errors.includes('as it should be'), end === 'exception')
        await Promise.all(closed)
        const isRemoved = unlinkOnClose && signal === null
        t.is(existsSync(path), !isRemoved, `round ${round}`)
        reconnected = connected(path)
      }
      const last = await listen(path, { onExisting: 'replaceStale' })
      ;(await reconnected)?.destroy()
      await last.close()
    },
  )
}

for (const waker of bothWakers) {
  test.serial(`500 processes, spawned in full traffic, inherit no descriptor (${waker})`, async t => {
    t.timeout(5 * 60_000)
    const program = startOn(t, waker, 'spawning.js', ['500'])
    const { children, foreign, comings } = await answer<{
      children: number
      foreign: string[]
      comings: number
    }>(t, program)
    t.deepEqual({ children, foreign }, { children: 500, foreign: [] })
    t.true(comings > 0)
  })

  test.serial(`reports and heap snapshots in the middle of traffic cost it no byte (${waker})`, async t => {
    t.timeout(5 * 60_000)
    const made = await answer(t, startOn(t, waker, 'inspected.js'))
    t.deepEqual(made, { reports: 15, snapshots: 3, files: 3, exact: 4, code: 0 })
  })
}
