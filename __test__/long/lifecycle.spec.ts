import test, { type ExecutionContext } from 'ava'
import { listening, once, receiveAll } from '../helpers.js'
import { answer, start, startOn, type Waker, wakers } from '../program.js'
import { generator } from '../socket-helpers.js'

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
      const seed = String((Date.now() % 1e9) + 1)
      t.log(`seed ${seed}`)
      const left = await answer<Terminated>(t, startOn(t, waker, 'worker-terminate.js', ['400', '16', seed]))
      survived(t, left, 400)
    },
  )
}

test.serial(
  'process.exit() in any callback: 300 processes end with its code, and send what they wrote',
  async t => {
    t.timeout(5 * 60_000)
    const places = await answer<string[]>(t, start(t, 'exit-anywhere.js'))
    const seed = Date.now() % 1e9
    const random = generator(seed)
    t.log(`seed ${seed}, ${places.length} callbacks`)
    const atOnce = 4
    let begun = 0
    const outcomes = new Map<string, number>()

    async function next(): Promise<void> {
      const listener = await listening(t)
      while (begun < 300) {
        const index = begun++
        // Each once on each waker; then as it comes.
        const place = places[index] ?? places[index - places.length] ?? places[random(places.length)]!
        const waker =
          bothWakers[Number(index >= places.length) ^ Number(index >= 2 * places.length && index % 2)]!
        const code = 1 + random(200)
        const what = `${place}, ${waker}, process ${index}`
        const program = startOn(
          t,
          waker,
          'exit-anywhere.js',
          [listener.path as string, place, `${code}`],
          100,
        )
        const first = await Promise.race([listener.accept(), program.ended])
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
