// Throws an exception in a callback that is not caught: `node uncaught-fatal.js <path or @hexadecimal name>`.
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const argument = process.argv[2]
const path = address(argument)
const listener = await listen(path)
const [client, server] = await Promise.all([connect(path), listener.accept()])
server.on('data', () => {
  process.stdout.write('throwing\n')
  throw new Error('nobody catches this')
})
client.write('x')
