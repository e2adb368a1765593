import assert from 'node:assert'
import { roundTrips } from './round-trip.mjs'

it('round trips', async () => {
  assert.equal(await roundTrips(), 'own, net, http and dgram came back, supported: true')
})
