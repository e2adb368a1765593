import { fileURLToPath } from 'node:url'
import test from 'ava'
import { places } from '../helpers/sockets.js'
import { answer, type Program, runs, start, startFile } from '../helpers/program.js'

const python = '/usr/bin/python3'
// More than RLIMIT_NOFILE of them may be under way only from a privileged process: unix(7), ETOOMANYREFS.
const can = process.geteuid?.() === 0 && runs(python, '-c', 'import socket; socket.send_fds')
const withGifts = can ? test : test.skip
if (!can) console.log('# descriptors sent unasked: skipped, this needs root and /usr/bin/python3')

interface Given {
  bytes: number
  sent: number
  refused: number
  gone: boolean
}

interface Taken {
  bytes: number
  before: number
  most: number
  after: number
}

const lines = async (program: Program): Promise<string[]> => {
  const { output } = await program.ended
  return output.split('\n')
}

for (const [what, size, count, each] of [
  ['with a byte each', 1, 10_000, 1],
  ['with 64 KiB for each 250', 64 * 1024, 40, 250],
] as const) {
  for (const how of ['stream', 'onread'])
    withGifts(`10,000 descriptors sent unasked, ${what}, leave none: ${how}`, async t => {
      t.timeout(60_000)
      const path = places.path(t)
      const giver = startFile(t, python, 'gifts.py', ['serve', path, `${size}`, `${count}`, `${each}`])
      await giver.prints('listening')
      const { bytes, before, most, after } = await answer<Taken>(t, start(t, 'gift-taker.js', [how, path]))
      const given = JSON.parse((await lines(giver)).at(-1)!) as Given
      t.log(`${given.sent} sent, ${given.refused} refused`)
      t.deepEqual([given.bytes, given.sent + given.refused, given.gone], [size * count, 10_000, true])
      // The connection's own.
      t.deepEqual([bytes, after, most], [size * count, before, before + 1])
    })
}

for (const [what, size, count, each] of [
  ['with a byte for each 250', 1, 40, 250],
  ['with 64 KiB for each 250', 64 * 1024, 40, 250],
] as const)
  withGifts(`10,000 descriptors that were under way before the accept, ${what}, leave none`, async t => {
    t.timeout(60_000)
    const taker = fileURLToPath(new URL('../programs/gift-taker.js', import.meta.url))
    const command = [process.execPath, taker, 'stream']
    const args = ['queue', places.path(t), `${size}`, `${count}`, `${each}`, ...command]
    const [taken, given] = (await lines(startFile(t, python, 'gifts.py', args))).map(
      line => JSON.parse(line) as unknown,
    ) as [Taken, Given]
    t.deepEqual([given.sent, given.refused, given.gone], [10_000, 0, true])
    t.deepEqual([taken.bytes, taken.after], [size * count, taken.before])
    // Another thread closes them: a queue of 512 and four in its hands, and those of the message that was just received.
    t.true(taken.most <= taken.before + 1 + 512 + 4 + 250, `${taken.most}`)
  })
