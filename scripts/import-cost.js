// `npm run bench:import`: what importing the package costs a fresh process, in time and memory, beside modules of Node. Fails when the median
// of `udsock` exceeds the limits below. `udsock/net` and `udsock/http` come with what they load of Node's own modules.
//   --rounds N   how often each module is imported; the first round is not counted
import { parseArgs } from 'node:util'
import { command, root } from './command.js'

/** The most that importing `udsock` may cost. */
const limits = { milliseconds: 10, mebibytes: 6 }
const modules = ['udsock', 'udsock/net', 'udsock/http', 'node:net', 'node:http']

/** Imports a module, and prints the milliseconds and the bytes of memory that it took. The first import makes ready what imports need. */
const program = `
  await import('data:text/javascript,')
  const { hrtime, memoryUsage } = process
  const memory = memoryUsage.rss()
  const start = hrtime.bigint()
  await import(process.argv[1])
  const end = hrtime.bigint()
  console.log(JSON.stringify([Number(end - start) / 1e6, memoryUsage.rss() - memory]))`

async function measure(name) {
  const args = ['--input-type=module', '--eval', program, name]
  const { code, stdout, output } = await command(process.execPath, args, { cwd: root })
  if (code !== 0) throw new Error(output)
  return JSON.parse(stdout)
}

function median(values) {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } })
const costs = new Map(modules.map(name => [name, []]))
for (let round = -1; round < Number(values.rounds); round++)
  for (const name of modules) {
    const cost = await measure(name)
    if (round >= 0) costs.get(name).push(cost)
  }

for (const [name, all] of costs) {
  const milliseconds = median(all.map(([time]) => time))
  const mebibytes = median(all.map(([, memory]) => memory)) / 2 ** 20
  console.log(
    `${name.padEnd(12)} ${milliseconds.toFixed(1).padStart(6)} ms ${mebibytes.toFixed(1).padStart(6)} MiB`,
  )
  const isWithin = milliseconds <= limits.milliseconds && mebibytes <= limits.mebibytes
  if (name === 'udsock' && !isWithin) {
    console.error(`${name} exceeds ${limits.milliseconds} ms or ${limits.mebibytes} MiB`)
    process.exitCode = 1
  }
}
