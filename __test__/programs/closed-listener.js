// Closes the listener of an inherited descriptor, prints "closed", and at the end of its input how often its threads have
// woken up since. Argument: the descriptor.
import { listen } from '../../index.js'
import './settled.js'
import { threads } from './threads.js'

const wakeUps = () => {
  let sum = 0
  for (const { status } of threads()) sum += Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)[1])
  return sum
}

await (await listen({ fd: Number(process.argv[2]) })).close()
// Waits until threads that start or end by themselves have done so.
await new Promise(resolve => setTimeout(resolve, 300))
const before = wakeUps()
process.stdin.resume().on('end', () => {
  console.log(wakeUps() - before)
  process.exit()
})
console.log('closed')
