import test from 'ava'
import { listen, type UnixListener } from '../../index.js'
import { places } from '../helpers/sockets.js'
import { answer, start } from '../helpers/program.js'

async function echo(listener: UnixListener): Promise<number> {
  let served = 0
  for await (const socket of listener) {
    served++
    socket.on('error', () => {}).pipe(socket)
  }
  return served
}

for (const unlinkOnClose of [true, false])
  test.serial(
    `500 listeners that are drained under load lose no client (the file is ${unlinkOnClose ? 'removed' : 'left'})`,
    async t => {
      t.timeout(5 * 60_000)
      const path = places.path(t)
      const clients = [start(t, 'drain-clients.js', [path]), start(t, 'drain-clients.js', [path])]
      let served = 0
      for (let round = 0; round < 500; round++) {
        const listener = await listen(path, { backlog: 16, unlinkOnClose, onExisting: 'replaceStale' })
        const serving = echo(listener)
        await new Promise(resolve => setTimeout(resolve, round % 20))
        await listener.close({ drain: true })
        served += await serving
      }
      for (const client of clients) client.stdin.end()
      const outcomes = await Promise.all(
        clients.map(client => answer<{ answered: number; refused: number; lost: number }>(t, client)),
      )
      t.deepEqual(
        outcomes.map(({ lost }) => lost),
        [0, 0],
      )
      const answered = outcomes.reduce((sum, outcome) => sum + outcome.answered, 0)
      const refused = outcomes.reduce((sum, outcome) => sum + outcome.refused, 0)
      t.is(answered, served)
      t.true(answered > 5000 && refused > 100, `${answered} answered, ${refused} refused`)
      t.log(`${answered} answered, ${refused} refused, 0 lost`)
    },
  )
