// Serves more clients than it has descriptors for: greets each, and closes it at its end. Takes orders by line:
// `measure`, `free` (a descriptor that is not the listener's), `drain`. Reports as JSON, and ends by itself once it is drained.
import { closeSync, openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { listen } from '../../index.js'
import { address } from './socket-address.js'

// Synchronous: no stream of the process may need a descriptor.
const say = message => writeSync(1, `${JSON.stringify(message)}\n`)

const listener = await listen(address(process.argv[2]), { backlog: 128 })
const spare = openSync('/dev/null')
const overloads = []
let open = 0
let served = 0
let onAccept = () => {}
listener.on('overload', overload => overloads.push({ ...overload, open, at: performance.now() }))

const orders = {
  async measure() {
    const [start, cpu] = [performance.now(), process.cpuUsage()]
    await setTimeout(3500)
    const { user, system } = process.cpuUsage(cpu)
    say({ share: (user + system) / 1000 / (performance.now() - start), open, overloads })
  },
  async free() {
    const start = performance.now()
    const accepted = new Promise(resolve => (onAccept = resolve))
    closeSync(spare)
    await accepted
    say({ recovery: performance.now() - start, accepted: served + open })
  },
  async drain() {
    lines.close()
    process.stdin.destroy()
    await listener.close({ drain: true })
    say({ draining: served + open })
  },
}

const lines = createInterface(process.stdin)
lines.on('line', order => void orders[order]())
say('listening')
for await (const socket of listener) {
  open++
  onAccept()
  socket.write('welcome')
  socket.resume().once('close', () => {
    open--
    served++
  })
  socket.once('end', () => socket.end())
}
process.once('exit', () => say({ served, open }))
