// What a command costs that asks once: fresh processes, one after the other, each of which imports, connects, asks and ends.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('start-once.js', import.meta.url))
const options = process.versions.deno ? ['run', '--allow-all'] : []

/** Runs the program once: { wall, cpu } in milliseconds, and { rss } in MiB. */
function runOnce(transport, address) {
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(process.execPath, [...options, program, transport, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    let wall = 0
    child.stdout.on('data', chunk => void (text += chunk))
    child.on('error', reject)
    child.on('exit', () => void (wall = performance.now() - started))
    child.on('close', code => {
      if (code !== 0) return reject(new Error(`the command ended with code ${code}`))
      resolve({ wall, ...JSON.parse(text) })
    })
  })
}

const middle = values => values.toSorted((a, b) => a - b)[values.length >> 1]

export async function start({ transport, address }) {
  return {
    async step(count) {
      const seen = []
      for (let i = 0; i < count; i++) seen.push(await runOnce(transport, address))
      const median = name => middle(seen.map(one => one[name]))
      return { operations: count, measures: { wall: median('wall'), cpu: median('cpu'), rss: median('rss') } }
    },
    checkers: [],
    async close() {},
  }
}
