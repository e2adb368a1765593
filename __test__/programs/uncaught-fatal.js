// Throws in a callback, and nobody catches it: `node uncaught-fatal.js <path or @name>`.
import { abstractName, connect, listen } from '../../index.js'

const argument = process.argv[2]
const path = argument.startsWith('@') ? abstractName(argument.slice(1)) : argument
const listener = await listen(path)
const [client, server] = await Promise.all([connect(path), listener.accept()])
server.on('data', () => {
  process.stdout.write('throwing\n')
  throw new Error('nobody catches this')
})
client.write('x')
