// socket.io: polling and web sockets, and the change from one to the other.
import http from 'node:http'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { cases, once } from '../cases.js'

async function serving(run, options) {
  const server = run.keep(http.createServer())
  const sockets = new Server(server, options)
  run.defer(() => sockets.close())
  await once(server.listen(0), 'listening')
  return { sockets, url: `http://localhost:${server.address().port}` }
}

function connected(run, url, options) {
  const client = io(url, { reconnection: false, ...options })
  run.defer(() => client.disconnect())
  return client
}

const event = (emitter, name) => new Promise(resolve => emitter.once(name, (...args) => resolve(args)))

await cases({
  'web sockets, with acknowledgements': async run => {
    const { sockets, url } = await serving(run)
    sockets.on('connection', socket => socket.on('add', (a, b, done) => done(a + b)))
    const client = connected(run, url, { transports: ['websocket'] })
    await event(client, 'connect')
    return client.emitWithAck('add', 1, 2)
  },
  'long polling': async run => {
    const { sockets, url } = await serving(run)
    sockets.on('connection', socket => socket.on('echo', (...args) => socket.emit('echo', ...args)))
    const client = connected(run, url, { transports: ['polling'] })
    await event(client, 'connect')
    for (let round = 0; round < 5; round++) {
      client.emit('echo', round, Buffer.from([round]))
      run.note(...(await event(client, 'echo')).map(value => (Buffer.isBuffer(value) ? value[0] : value)))
    }
  },
  'from polling to web sockets': async run => {
    const { sockets, url } = await serving(run)
    sockets.on('connection', socket => socket.on('echo', value => socket.emit('echo', value)))
    const client = connected(run, url)
    await event(client, 'connect')
    const { engine } = client.io
    if (engine.transport.name !== 'websocket') await event(engine, 'upgrade')
    run.note(engine.transport.name)
    client.emit('echo', 'x'.repeat(300_000))
    return (await event(client, 'echo'))[0].length
  },
  rooms: async run => {
    const { sockets, url } = await serving(run)
    sockets.on('connection', socket => socket.join(String(socket.handshake.query.room)))
    const clients = ['a', 'b', 'a'].map(room => connected(run, url, { forceNew: true, query: { room } }))
    await Promise.all(clients.map(client => event(client, 'connect')))
    const seen = []
    clients.forEach((client, index) => client.on('news', () => seen.push(index)))
    const all = Promise.all([event(clients[0], 'news'), event(clients[2], 'news')])
    sockets.to('a').emit('news')
    await all
    return seen.toSorted()
  },
  'disconnects of both sides, and their reasons': async run => {
    const { sockets, url } = await serving(run)
    const reasons = []
    sockets.on('connection', socket => socket.on('disconnect', reason => reasons.push(reason)))
    const one = connected(run, url, { transports: ['websocket'], forceNew: true })
    await event(one, 'connect')
    const accepted = [...sockets.sockets.sockets.values()][0]
    const gone = event(accepted, 'disconnect')
    one.disconnect()
    await gone
    const two = connected(run, url, { transports: ['websocket'], forceNew: true })
    await event(two, 'connect')
    const told = event(two, 'disconnect')
    sockets.disconnectSockets(true)
    run.note((await told)[0], reasons[0])
  },
})
