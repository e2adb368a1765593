// A 'message' handler whose promise is rejected: `node framed-reject.js <path> [capture]`.
import { EventEmitter } from 'node:events'
import { connect, FramedSocket, listen } from '../../index.js'

const [path, capture] = process.argv.slice(2)
EventEmitter.captureRejections = capture !== undefined
const events = []
process.on('unhandledRejection', error => events.push(`unhandled ${error.message}`))

const listener = await listen(path)
const client = new FramedSocket(await connect(path))
const server = new FramedSocket(await listener.accept())
server.on('message', async message => {
  await new Promise(setImmediate)
  throw new Error(String(message))
})
server.on('error', error => events.push(`error ${error.message}`))
server.on('close', () => events.push('close'))
client.resume().end('rejected')
await new Promise(resolve => server.once('close', resolve))
await listener.close()
await new Promise(setImmediate)
console.log(JSON.stringify(events))
