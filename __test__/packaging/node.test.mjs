import assert from 'node:assert'
import test from 'node:test'
import { roundTrips } from './round-trip.mjs'

void test('round trips', async () => {
  assert.equal(await roundTrips(), 'own and net came back, supported: true')
})
