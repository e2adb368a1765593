// A listener that is full, at which clients wait and an accept(): the CPU that two seconds of that take.
import { setTimeout } from 'node:timers/promises'
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const listener = await listen(address(process.argv[2]), { maxConnections: 1, overflow: process.argv[3] })
const clients = await Promise.all([connect(listener.path), connect(listener.path), connect(listener.path)])
const first = await listener.accept()
const second = listener.accept()
second.catch(() => {})
const ready = listener.ready()
const start = process.cpuUsage()
await setTimeout(2000)
const { user, system } = process.cpuUsage(start)
console.log(JSON.stringify({ share: (user + system) / 2e6 }))
await listener.close()
await ready
for (const socket of [first, ...clients]) socket.destroy()
