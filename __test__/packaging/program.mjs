import { roundTrips } from './round-trip.mjs'

console.log(await roundTrips())
