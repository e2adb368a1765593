// Makes the addon set glibc's threshold for freed memory, with less address space left than the block that it makes for that.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import addon from '../../addon.cjs'

const used = 1024 * Number(/^VmSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${used + 30 * 2 ** 20}:unlimited`])
addon.native.keepFreedMemory()
execFileSync('prlimit', [`--pid=${process.pid}`, '--as=unlimited:unlimited'])
console.log('lives on')
