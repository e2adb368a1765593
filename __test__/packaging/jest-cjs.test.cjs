const { roundTrips } = require('./round-trip.cjs')

test('round trips', async () => {
  expect(await roundTrips()).toBe('own and net came back, supported: true')
})
