import test from 'ava'
import { randomBytes } from 'node:crypto'
import { directory } from './helpers.js'
import { answer, start } from './program.js'

interface Measure {
  descriptors: number
  rss: number
  heapUsed: number
  external: number
  arrayBuffers: number
}

const MiB = 1024 * 1024

const targets = {
  path: (home: string): string => `${home}/s`,
  'abstract name': (): string => `@udsock-many-${randomBytes(8).toString('hex')}`,
}

for (const [place, target] of Object.entries(targets)) {
  test.serial(
    `10,000 cycles of connect, echo and close over a ${place} leave no descriptor and no memory`,
    async t => {
      t.timeout(110_000)
      const args = ['10000', target(directory(t))]
      // A young generation of V8 that may grow takes memory which looks like a leak.
      const flags = ['--expose-gc', '--max-semi-space-size=2']
      const running = start(t, 'many-cycles.js', args, flags)
      const found = await answer<{ good: number; start: Measure; half: Measure; end: Measure }>(t, running)
      t.is(found.good, 10_000)
      t.is(found.half.descriptors, found.start.descriptors)
      t.is(found.end.descriptors, found.start.descriptors)
      // 5,000 sockets that stay would be 10 MiB and more.
      const grown = (key: keyof Measure): number => found.end[key] - found.half[key]
      t.true(grown('rss') < 4 * MiB, `rss grew by ${grown('rss')}`)
      t.true(grown('heapUsed') < MiB, `heapUsed grew by ${grown('heapUsed')}`)
      t.true(grown('external') < MiB / 4, `external grew by ${grown('external')}`)
      t.true(grown('arrayBuffers') < MiB / 4, `arrayBuffers grew by ${grown('arrayBuffers')}`)
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
