// Waits to connect and prints the outcome: `node listener-waiter.js <path or @hexadecimal name> wait|abort|timeout`.
import { connect } from '../../index.js'
import { address } from './socket-address.js'

const [argument, what] = process.argv.slice(2)
const path = address(argument)
const say = text => process.stdout.write(`${text}\n`)
const controller = new AbortController()

// Only the attempt keeps the process alive.
const options = what === 'wait' ? {} : what === 'timeout' ? { timeout: 300 } : { signal: controller.signal }
connect(path, options).then(
  socket => {
    say('connected')
    socket.end('from the waiter')
    socket.resume()
  },
  error => say(error.code),
)
// Unreferenced: fires only if something else keeps the event loop going.
setTimeout(() => {
  say('the event loop is idle')
  if (what === 'abort') controller.abort()
}, 50).unref()
