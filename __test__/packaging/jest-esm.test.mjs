import { roundTrips } from './round-trip.mjs'

test('round trips', async () => {
  expect(await roundTrips()).toBe('own, net, http and dgram came back, supported: true')
})
