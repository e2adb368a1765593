// Closes a listener during its pause after a shortage, and prints how many turns the event loop still has after that.
import { closeSync, openSync } from 'node:fs'
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const listener = await listen(address(process.argv[2]))
const client = await connect(listener.path)
const taken = []
try {
  for (;;) taken.push(openSync('/dev/null'))
} catch {
  // That was the last one.
}
const accepting = listener.accept().catch(error => error.code)
const closing = listener.close()
const late = setTimeout(() => process.exit(1), 10_000)
for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
clearTimeout(late)
for (const descriptor of taken) closeSync(descriptor)
await closing
client.destroy()
console.log(JSON.stringify(await accepting))
