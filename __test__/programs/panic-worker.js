// Ends a worker, or begins one, with a panic in the place that is named, and prints what the worker and the main thread could
// do. For the addon of the panics' tests.
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { connect, listen } from '../../index.js'

const addon = createRequire(import.meta.url)(process.env.NAPI_RS_NATIVE_LIBRARY_PATH)

async function converse(listener) {
  const [client, server] = await Promise.all([connect(listener.path), listener.accept()])
  server.pipe(server)
  client.end('echo')
  let said = ''
  for await (const chunk of client) said += chunk
  return said
}

async function work({ path, place }) {
  const said = []
  if (place === 'new') {
    addon.wantPanic(place, 1)
    said.push(await connect(path).catch(error => error.code))
  }
  const listener = await listen(path, { onExisting: 'replaceStale' })
  said.push(await converse(listener))
  // Until the end, so that there is something to clean up.
  const [client] = await Promise.all([connect(path), listener.accept()])
  client.resume()
  if (place !== 'new') addon.wantPanic(place, 1)
  parentPort.postMessage(said, [])
  process.exit(0)
}

async function main(place) {
  const directory = mkdtempSync(join(tmpdir(), 'uds-'))
  const listener = await listen(join(directory, 'main'))
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { path: join(directory, 'worker'), place },
  })
  const [[said], [ended]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  const left = addon.wantedPanics()
  const own = await converse(listener)
  await listener.close()
  rmSync(directory, { recursive: true })
  console.log(JSON.stringify({ worker: said, ended, left, main: own }))
}

if (isMainThread) await main(process.argv[2])
else await work(workerData)
