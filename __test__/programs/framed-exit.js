// Sends and exits in the same turn: `node framed-exit.js <path>`.
import { connect, FramedSocket } from '../../index.js'

const framed = new FramedSocket(await connect(process.argv[2]))
framed.send('one')
framed.send(Buffer.alloc(5000, 'b'))
framed.send('three')
process.exit()
