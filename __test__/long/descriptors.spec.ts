import test from 'ava'
import { answer, start } from '../helpers/program.js'
import { places } from '../helpers/sockets.js'

test('100,000 descriptors go each way at once, with their bytes in order, and none is left', async t => {
  t.timeout(300_000)
  const path = places.path(t)
  const server = start(t, 'descriptor-stress.js', ['serve', path, '100000', 'live'])
  await server.prints('listening')
  const client = await answer<object>(
    t,
    start(t, 'descriptor-stress.js', ['connect', path, '100000', 'live']),
  )
  const served = JSON.parse((await server.ended).output.split('\n').at(-1)!) as object
  for (const side of [client, served])
    t.like(side, { descriptors: 100_000, broken: [], left: 0, failure: null })
})
