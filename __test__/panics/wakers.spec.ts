// The first import, because it chooses the addon.
import { panicIn, panicked } from './addon.js'

import test from 'ava'
import { receive } from '../helpers/sockets.js'
import { start } from '../helpers/program.js'
import { bystanders, isDoorbell, live } from './helpers.js'

const places = isDoorbell ? ['on_ring', 'ring', 'watch'] : ['on_readable']

for (const place of places) {
  test.serial(`a panic in the waker's call (${place}) fails no connection`, async t => {
    const others = await bystanders(t)
    for (let count = 0; count < 10; count++) {
      panicIn(place)
      // A turn that is due anyway needs no waker.
      while (!panicked()) {
        others.client.write('x')
        t.is(String(await receive(others.server, 1)), 'x')
      }
      await live(t, others)
    }
  })
}

if (isDoorbell)
  test.serial('a ring whose every answer is a panic is repeated', async t => {
    const others = await bystanders(t)
    for (let count = 0; count < 10; count++) {
      // A ring is answered twice at most.
      panicIn('on_ring', 5)
      while (!panicked()) {
        others.client.write('x')
        t.is(String(await receive(others.server, 1)), 'x')
      }
      await live(t, others)
    }
  })

for (const place of ['cleanup', 'release', 'new', ...(isDoorbell ? [] : ['on_closed'])]) {
  test.serial(`a panic in a worker's beginning or end (${place}) concerns that worker alone`, async t => {
    t.timeout(60_000)
    const program = start(t, 'panic-worker.js', [place])
    const { code, signal, output } = await program.ended
    t.deepEqual([code, signal], [0, null])
    t.deepEqual(JSON.parse(output), {
      worker: place === 'new' ? ['ERR_INTERNAL', 'echo'] : ['echo'],
      ended: 0,
      left: 0,
      main: 'echo',
    })
  })
}
