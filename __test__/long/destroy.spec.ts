import test, { type ExecutionContext } from 'ava'
import { places } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'

const bytes = 200_000
/** What the crate udsock-reactor drains in one turn, over all sockets, and when it takes a turn for another. */
const turn = { bytes: 16 << 20, milliseconds: 50 }

interface Outcome {
  cleanEnds: number
  milliseconds: number
}

function destroyMany(t: ExecutionContext, kind: string): Promise<Outcome> {
  t.timeout(5 * 60_000)
  return answer<Outcome>(t, start(t, 'destroy-many.js', [kind, places.path(t), '5000', String(bytes)]))
}

for (const kind of ['udsock', 'udsock/net'])
  test.serial(
    `5,000 sockets of ${kind} with 200 kB unread drain a bounded number of bytes a turn`,
    async t => {
      const { cleanEnds, milliseconds } = await destroyMany(t, kind)
      const most = Math.ceil(turn.bytes / bytes) * Math.ceil(1 + milliseconds / turn.milliseconds)
      t.true(cleanEnds > 0 && cleanEnds <= most, `${cleanEnds} of at most ${most} in ${milliseconds} ms`)
    },
  )

test.serial('node:net drains none of them', async t => {
  t.is((await destroyMany(t, 'node:net')).cleanEnds, 0)
})
