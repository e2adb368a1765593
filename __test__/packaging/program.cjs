const { roundTrips } = require('./round-trip.cjs')

void roundTrips().then(console.log)
