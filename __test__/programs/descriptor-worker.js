// Ends a worker that holds Descriptors, and prints as JSON how many descriptors it has left open.
import { once } from 'node:events'
import { openSync, readdirSync } from 'node:fs'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import { Descriptor } from '../../index.js'
import './settled.js'

const count = () => readdirSync('/proc/self/fd').length

async function round() {
  const worker = new Worker(new URL(import.meta.url))
  await once(worker, 'message')
  await worker.terminate()
}

if (isMainThread) {
  await round()
  const before = count()
  await round()
  const deadline = Date.now() + 20_000
  while (count() > before && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 5))
  console.log(JSON.stringify({ left: Math.max(0, count() - before) }))
} else {
  globalThis.held = Array.from({ length: 100 }, () => Descriptor.from(openSync('/dev/null', 'r')))
  parentPort.postMessage('ready', [])
  setInterval(() => {}, 1000)
}
