// Traffic of bytes with descriptors while system calls fail. Usage: descriptors.js RULES SEED.
import { socketpair } from '../../index.js'
import { receive, send } from '../programs/descriptor-traffic.js'
import { errorsOf, twoRounds } from './rounds.js'

const total = 1500

await twoRounds(async () => {
  const pair = socketpair({ receiveDescriptors: 7, highWaterMark: 20_000 })
  const errors = errorsOf(pair)
  const isWhole = () => errors.length === 0
  const [one, other] = pair
  const [, , forth, back] = await Promise.all([
    send(one, 5, total),
    send(other, 105, total),
    receive(other, 5, total, isWhole),
    receive(one, 105, total, isWhole),
  ])
  for (const socket of pair) socket.destroy()
  return { errors, counts: [forth.descriptors, back.descriptors], broken: [...forth.broken, ...back.broken] }
})
