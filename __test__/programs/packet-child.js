// Returns every message of the packet socket that a parent has left open, one byte longer, and ends with its peer.
import { adopt } from '../../index.js'

const socket = await adopt(Number(process.argv[2]), { type: 'seqpacket' })
for await (const message of socket) socket.send(`${message}!`)
