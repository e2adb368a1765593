// Twenty connections throw in one turn: `node uncaught-turn.js <path or @hexadecimal name> data|end|writable|repeated data`.
import { AsyncLocalStorage } from 'node:async_hooks'
import { connect, listen } from '../../index.js'
import { address } from './socket-address.js'

const [argument, what] = process.argv.slice(2)
const path = address(argument)
const storage = new AsyncLocalStorage()
const count = what === 'repeated data' ? 1 : 20
const uncaught = []
const events = []
const contexts = []
let inFirstTurn
process.on('uncaughtException', error => uncaught.push(error.message))

const listener = await listen(path, { backlog: 32 })
const clients = []
const servers = []
for (let number = 0; number < count; number++) {
  clients.push(await storage.run(`${what} ${number}`, () => connect(path)))
  servers.push(await listener.accept())
}

function fail(name) {
  if (events.length === 0) queueMicrotask(() => (inFirstTurn = events.length))
  events.push(name)
  contexts.push(storage.getStore())
  throw new Error(name)
}
const until = async check => {
  while (!check()) await new Promise(setImmediate)
}

const report = { uncaught, events, contexts, echoes: [] }
if (what === 'repeated data') {
  const [client] = clients
  const [server] = servers
  report.received = ''
  client.on('data', data => {
    report.received += data
    throw new Error(what)
  })
  client.on('end', () => (report.ended = true))
  for (let part = 0; part < 50; part++) {
    server.write(`part ${part};`)
    await until(() => uncaught.length === part + 1)
  }
  server.end()
  await until(() => report.ended)
} else {
  for (const [number, client] of clients.entries()) {
    const name = `${what} ${number}`
    if (what === 'data') client.once('data', () => fail(name))
    else if (what === 'end') client.once('end', () => fail(name)).resume()
    else storage.run(name, () => client.write(Buffer.alloc(4 << 20), () => fail(name)))
  }
  for (const server of servers) {
    if (what === 'data') server.write('x')
    else if (what === 'end') server.end()
    else server.resume()
  }
  await until(() => uncaught.length === count)
  report.inFirstTurn = inFirstTurn
  // Every connection still works, in the direction that is open.
  const [from, to] = what === 'end' ? [clients, servers] : [servers, clients]
  for (const [number, socket] of to.entries()) {
    report.echoes[number] = ''
    socket.on('data', data => (report.echoes[number] += data))
    from[number].write(`echo ${number}`)
  }
  await until(() => report.echoes.every((echo, number) => echo === `echo ${number}`))
}
for (const socket of [...clients, ...servers]) socket.destroy()
void listener.close()
// By itself the process ends.
process.once('exit', () => process.stdout.write(`${JSON.stringify(report)}\n`))
