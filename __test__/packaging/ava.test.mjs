import test from 'ava'
import { roundTrips } from './round-trip.mjs'

test('round trips', async t => {
  t.is(await roundTrips(), 'own, net, http and dgram came back, supported: true')
})
