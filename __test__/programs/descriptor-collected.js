// Drops Descriptors without closing them, and prints as JSON the codes of the process's warnings and how many descriptors are left open.
import { openSync, readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Descriptor } from '../../index.js'
import './settled.js'

/** Returns the runtime's function that collects garbage. */
function collector() {
  if (globalThis.Bun !== undefined) return () => globalThis.Bun.gc(true)
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}

const gc = collector()
const count = () => readdirSync('/proc/self/fd').length
const warnings = []
process.on('warning', ({ code }) => warnings.push(code))

// Makes what the package opens for itself.
Descriptor.from(openSync('/dev/null', 'r')).close()
const before = count()
for (let round = 0; round < 100; round++) Descriptor.from(openSync('/dev/null', 'r'))
const deadline = Date.now() + 20_000
while ((count() > before || warnings.length === 0) && Date.now() < deadline) {
  gc()
  await new Promise(resolve => setTimeout(resolve, 5))
}
console.log(JSON.stringify({ warnings, left: Math.max(0, count() - before) }))
