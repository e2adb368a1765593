// `npm run test:soak [-- MINUTES [SEED]]`: ten minutes, or MINUTES, of traffic with failing system calls, half on each waker.
// The seed is printed; the last line is `passed` or `failed`.
import { join } from 'node:path'
import { command, root } from './command.js'
import { buildAddon } from './addon.js'
import { prepare } from './setup.js'

const minutes = Number(process.argv[2] ?? 10)
const seed = Number(process.argv[3] ?? Math.floor(Math.random() * 2 ** 31))
const seconds = (minutes * 60) / 2

async function soak(waker) {
  const env = { UDSOCK_WAKER: waker, NAPI_RS_NATIVE_LIBRARY_PATH: join(root, 'target/faults/udsock.node') }
  const args = ['--single-threaded', '__test__/faults/soak.js', String(seconds), String(seed)]
  const { code, stdout, output } = await command(process.execPath, args, {
    env,
    timeout: (seconds + 120) * 1000,
  })
  const last = stdout.trim().split('\n').at(-1)
  console.log(`${waker}: ${last}`)
  if (code !== 0) {
    console.log(output)
    return false
  }
  const { broken, leaked } = JSON.parse(last)
  return broken.length === 0 && leaked === 0
}

if (!(minutes > 0)) throw new RangeError(`minutes: ${process.argv[2]}`)
await prepare()
const built = await buildAddon('faults')
if (built.code !== 0) throw new Error(built.output)
console.log(`seed ${seed}, ${minutes} minutes`)
const kept = [await soak('libuv'), await soak('doorbell')]
console.log(kept.every(Boolean) ? 'passed' : 'failed')
process.exitCode = kept.every(Boolean) ? 0 : 1
