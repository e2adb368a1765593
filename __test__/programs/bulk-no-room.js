// Has glibc taught to keep freed memory, with 16 MiB of address space left.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { keepFreedMemory } from '../../binding.js'

const used = 1024 * Number(/^VmSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${used + 2 ** 24}:unlimited`])
keepFreedMemory()
execFileSync('prlimit', [`--pid=${process.pid}`, '--as=unlimited:unlimited'])
console.log('lives on')
