const { roundTrips } = require('./round-trip.cjs')

test('round trips', async () => {
  expect(await roundTrips()).toBe('own, net, http and dgram came back, supported: true')
})
