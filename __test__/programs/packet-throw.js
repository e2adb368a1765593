// Ten messages of one turn, every other listener throws; then ten more, of which the fourth destroys the socket.
import { AsyncLocalStorage } from 'node:async_hooks'
import { socketpair } from '../../index.js'

const storage = new AsyncLocalStorage()
const uncaught = []
const events = []
const contexts = new Set()
process.on('uncaughtException', error => uncaught.push(error.message))

const [socket, peer] = storage.run('socket', () => socketpair({ type: 'seqpacket' }))
const sendTen = () => Array.from({ length: 10 }, (_, number) => peer.send(String(number)))
const gathered = async count => {
  while (events.length < count) await new Promise(setImmediate)
}

socket.on('message', message => {
  contexts.add(storage.getStore())
  events.push(String(message))
  if (events.length > 10) return void (events.length === 14 && socket.destroy())
  if (message[0] % 2 === 0) throw new Error(String(message))
})
socket.on('close', () => events.push('close'))
sendTen()
await gathered(10)
sendTen()
await gathered(15)
peer.destroy()
process.once('exit', () =>
  process.stdout.write(JSON.stringify({ events, uncaught, contexts: [...contexts] })),
)
