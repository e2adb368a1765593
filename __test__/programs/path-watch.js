// Arguments: a directory, and how many listeners. Prints, as JSON, the wake-ups a second of an idle process, and what the
// listeners report, and after how many milliseconds, when one's file is removed and another's replaced.
import { unlinkSync } from 'node:fs'
import { listen } from '../../index.js'
import { threads } from './threads.js'

const [directory, count] = process.argv.slice(2)
const listeners = []
for (let index = 0; index < Number(count); index++) listeners.push(await listen(`${directory}/${index}`))
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** Of the event loop and the package's threads; V8 collects garbage on others. */
function wakeUps() {
  let sum = 0
  for (const { thread, status } of threads()) {
    if (thread === process.pid || /^Name:\s*udsock/.test(status))
      sum += Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)[1])
  }
  return sum
}

await sleep(500)
// V8 wakes the process up at times, too, but not all the time.
let fewest = Infinity
for (let round = 0; round < 4 && fewest > 2; round++) {
  const before = wakeUps()
  await sleep(1500)
  // The timer's own.
  fewest = Math.min(fewest, (wakeUps() - before - 1) / 1.5)
}

/** What a listener reports when its path is spoilt, and after how many milliseconds. */
async function reportOf(listener, path, spoil) {
  const names = ['pathlost', 'superseded']
  const report = new Promise(resolve => {
    for (const name of names) listener.once(name, () => resolve(name))
  })
  const begin = performance.now()
  await spoil(path)
  return [await report, performance.now() - begin]
}

const reports = []
for (const [index, spoil] of [unlinkSync, path => listen(path, { onExisting: 'takeOver' })].entries()) {
  let report = await reportOf(listeners[index], `${directory}/${index}`, spoil)
  // A busy machine may delay one of them.
  for (let again = 0; again < 2 && report[1] >= 1000; again++) {
    const path = `${directory}/${index}-${again}`
    const listener = await listen(path)
    await sleep(500)
    report = await reportOf(listener, path, spoil)
  }
  reports.push(report)
}
console.log(JSON.stringify({ fewest, reports }))
process.exit()
