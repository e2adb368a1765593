import assert from 'node:assert'
import test from 'node:test'
import { roundTrips } from './round-trip.mjs'

void test('round trips', async () => {
  assert.equal(await roundTrips(), 'own, net, http and dgram came back, supported: true')
})
