// One connection's callback throws while four others talk: `node uncaught-callback.js <path or @hexadecimal name> <callback>`.
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const [argument, what] = process.argv.slice(2)
const path = address(argument)
const uncaught = []
let thrown
const threw = new Promise(resolve => (thrown = resolve))
process.on('uncaughtException', error => {
  uncaught.push(error.message)
  thrown()
})
const fail = () => {
  throw new Error(what)
}

const listener = await listen(path, { backlog: 16 })
const clients = []
const servers = []
for (let number = 0; number < 5; number++) {
  clients.push(await connect(path))
  servers.push(await listener.accept())
}
const [client] = clients
const [server] = servers

/** All pairs but the first, in one turn with what the first does, and once more when it has thrown. */
const echoes = ['', '', '', '']
for (const [index, other] of servers.slice(1).entries()) {
  other.on('data', data => other.write(data))
  clients[index + 1].on('data', data => (echoes[index] += data))
}
const speak = part => {
  for (const [index, other] of clients.slice(1).entries()) other.write(part ?? String(index + 1))
}
const large = Buffer.alloc(4 << 20)

const scenes = {
  data() {
    server.once('data', fail)
    client.write('x')
  },
  end() {
    server.on('end', fail).resume()
    client.end()
  },
  readable() {
    server.once('readable', fail)
    client.write('x')
  },
  drain() {
    server.once('drain', fail)
    server.write(large)
    client.resume()
  },
  finish() {
    server.on('finish', fail)
    server.end('x')
  },
  close() {
    server.on('close', fail)
    server.destroy()
  },
  error() {
    server.on('error', fail)
    client.destroy()
    server.write('nobody reads this')
  },
  timeout() {
    server.once('timeout', fail)
    server.setTimeout(10)
  },
  'write callback'() {
    server.write('x', fail)
  },
  'write callback before end()'() {
    server.write('x', fail)
    server.end()
    return new Promise(resolve => client.resume().once('end', resolve))
  },
  'large write callback'() {
    server.write(large, fail)
    client.resume()
  },
  'end callback'() {
    server.end('x', fail)
  },
  'failed write callback'() {
    server.on('error', () => {})
    client.destroy()
    server.write('nobody reads this', error => {
      if (error.code === 'EPIPE') fail()
    })
  },
  'setTimeout callback'() {
    server.setTimeout(10, fail)
  },
  'listener close'() {
    listener.once('close', fail)
    void listener.close()
  },
}

speak('echo ')
const done = scenes[what]()
await threw
await done
speak()
while (echoes.some(echo => echo.length < 6)) await new Promise(setImmediate)
for (const socket of [...clients, ...servers]) socket.destroy()
void listener.close()
// By itself the process ends, so nothing is held that the throw left behind.
process.once('exit', () => process.stdout.write(`${JSON.stringify({ uncaught, echoes })}\n`))
