// Two rounds of traffic: one while system calls fail, and one without faults, which must be exact.
import { descriptors, settled, sleep } from './ledger.js'
import { faultCounts, setFaults } from './plan.js'

/** Returns how many more descriptors are open than `before`, once closing had its time. */
async function left(before) {
  const deadline = Date.now() + 20_000
  while (descriptors() > before && Date.now() < deadline) await sleep(5)
  return descriptors() - before
}

/** Runs `round` under the RULES and with the SEED of the command line, then without. Prints 'ready', and a line of JSON for each of the two. */
export async function twoRounds(round) {
  const [rules, seed] = process.argv.slice(2)
  await round()
  // The runtime's thread and the engine have descriptors for good.
  await settled()
  // And so does Node, once it writes to a pipe.
  console.log('ready')
  const before = await settled()
  setFaults(rules, Number(seed))
  const faulty = await round()
  const calls = faultCounts()
  setFaults('', 0)
  console.log(JSON.stringify({ ...faulty, calls, left: await left(before) }))
  console.log(JSON.stringify({ ...(await round()), calls: {}, left: await left(before) }))
  process.exit()
}

/** Returns the codes of the sockets' errors, from now on. After one all are destroyed: the others wait for what will not come. */
export function errorsOf(sockets) {
  const errors = []
  for (const socket of sockets)
    socket.on('error', ({ code }) => {
      errors.push(code)
      for (const other of sockets) other.destroy()
    })
  return errors
}

/** How many descriptors go with the record of this number. */
export const filesOf = number => (number % 3 === 0 ? 0 : number % 8)
