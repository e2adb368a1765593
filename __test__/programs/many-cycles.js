// Connects, echoes and closes. Arguments: how many times, and a path or @hexadecimal name.
// Runs with --expose-gc. Prints descriptors and memory after
// 200 cycles, and after each third.
import './settled.js'
import { readdirSync } from 'node:fs'
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const [cycles, path] = [Number(process.argv[2]), address(process.argv[3])]
const message = Buffer.from('connect, echo, close')

const listener = await listen(path)
const serving = (async () => {
  for await (const socket of listener) {
    socket.on('data', chunk => socket.end(chunk))
    socket.on('error', error => console.error(error))
  }
})()

function cycle() {
  return new Promise((resolve, reject) => {
    void connect(path).then(socket => {
      let echo = ''
      socket.on('data', chunk => (echo += chunk))
      socket.on('error', reject)
      socket.on('close', () => resolve(echo === String(message)))
      socket.end(message)
    }, reject)
  })
}

/** Four at a time. */
async function run(count) {
  let good = 0
  let begun = 0
  const lane = async () => {
    while (begun++ < count) if (await cycle()) good++
  }
  await Promise.all([lane(), lane(), lane(), lane()])
  return good
}

/** When everything that closes has closed. */
async function measure() {
  for (let round = 0; round < 5; round++) {
    await new Promise(resolve => setTimeout(resolve, 10))
    globalThis.gc()
  }
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  return { descriptors: readdirSync('/proc/self/fd').length, rss, heapUsed, external, arrayBuffers }
}

let good = await run(200)
const measures = [await measure()]
for (const done of [cycles / 3, (cycles / 3) * 2, cycles]) {
  good += await run(Math.round(done) - good)
  measures.push(await measure())
}
await listener.close()
await serving
console.log(JSON.stringify({ good, measures }))
