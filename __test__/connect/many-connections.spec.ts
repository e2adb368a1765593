import test from 'ava'
import { everyPlace, places } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'
import { argument } from '../helpers/streams.js'

interface Measure {
  descriptors: number
  rss: number
  heapUsed: number
  external: number
  arrayBuffers: number
}

const MiB = 1024 * 1024

for (const place of everyPlace) {
  test.serial(
    `10,000 cycles of connect, echo and close over a ${place} leave no descriptor and no memory`,
    async t => {
      t.timeout(110_000)
      const args = ['10000', argument(places[place](t))]
      // A young generation of V8 that may grow takes memory which looks like a leak.
      const flags = ['--expose-gc', '--max-semi-space-size=2']
      const running = start(t, 'many-cycles.js', args, flags)
      const { good, measures } = await answer<{ good: number; measures: Measure[] }>(t, running)
      t.is(good, 10_000)
      const [before, first, second, third] = measures as [Measure, Measure, Measure, Measure]
      t.deepEqual(
        measures.map(({ descriptors }) => descriptors),
        measures.map(() => before.descriptors),
      )
      // 3,300 sockets that stay would be 7 MiB and more, each time; memory of the compiler's comes once.
      const grown = Math.min(second.rss - first.rss, third.rss - second.rss)
      t.true(grown < 4 * MiB, `rss grew by ${grown} again`)
      for (const [key, most] of [
        ['heapUsed', MiB],
        ['external', MiB / 4],
        ['arrayBuffers', MiB / 4],
      ] as const)
        t.true(third[key] - first[key] < most, `${key} grew by ${third[key] - first[key]}`)
    },
  )
}

test.serial('5,000 connections at once each get their number back, and leave no descriptor', async t => {
  t.timeout(110_000)
  const count = 5000
  t.deepEqual(await answer(t, start(t, 'many-at-once.js', [`${count}`])), {
    echoes: count,
    most: count,
    closed: count,
    held: 2 * count,
    left: 0,
  })
})
