// Ten messages in one chunk, every other listener throws: `node framed-throw.js <path or @hexadecimal name>`.
import { AsyncLocalStorage } from 'node:async_hooks'
import { connect, FramedSocket, listen } from '../../index.js'
import { address } from './socket-address.js'

const [argument] = process.argv.slice(2)
const path = address(argument)
const storage = new AsyncLocalStorage()
const uncaught = []
const events = []
const contexts = new Set()
process.on('uncaughtException', error => uncaught.push(error.message))

const listener = await listen(path)
const framed = new FramedSocket(await storage.run('socket', () => connect(path)))
const peer = await listener.accept()

framed.on('message', message => {
  contexts.add(storage.getStore())
  events.push(String(message))
  if (message[0] % 2 === 0) throw new Error(String(message))
})
framed.on('end', () => {
  contexts.add(storage.getStore())
  events.push('end')
  framed.end()
  throw new Error('end')
})
framed.on('close', () => events.push('close'))
// It flows, so that the chunk comes in the socket's context.
await new Promise(setImmediate)
const frames = Array.from({ length: 10 }, (_, number) => Buffer.from([0, 0, 0, 1, 48 + number]))
peer.end(Buffer.concat(frames)).resume()
while (!events.includes('close')) await new Promise(setImmediate)
void listener.close()
process.once('exit', () =>
  process.stdout.write(JSON.stringify({ events, uncaught, contexts: [...contexts] })),
)
