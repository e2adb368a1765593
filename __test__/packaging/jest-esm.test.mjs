import { roundTrips } from './round-trip.mjs'

test('round trips', async () => {
  expect(await roundTrips()).toBe('own and net came back, supported: true')
})
