// Without arguments it prints the callbacks. Connects to the first argument, and calls process.exit() in the callback that the second names, with the third as its
// code, while pairs of its own are in full traffic. What it has written before has to arrive.
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { abstractName, connect, FramedSocket, listen } from '../../index.js'
import net from '../../net.js'

const [path, where, code] = process.argv.slice(2)
const ignore = () => {}
const newName = () => abstractName(`udsock-exit-${randomBytes(8).toString('hex')}`)

let main

/** In the middle of everything. */
function leave() {
  main.write('last ')
  main.write(Buffer.alloc(50_000, 'w'))
  main.write(' words')
  process.exit(Number(code))
}

let own

async function pair(options) {
  const [client, server] = await Promise.all([connect(own.path, options), own.accept()])
  client.on('error', ignore)
  server.on('error', ignore)
  return { client, server }
}

function flood({ client, server }) {
  const chunk = Buffer.alloc(20_000)
  const write = () => {
    while (client.write(chunk));
  }
  server.resume()
  client.on('drain', write)
  write()
}

const large = Buffer.alloc(4 << 20)

const places = {
  data: ({ server }) => server.once('data', leave),
  readable: ({ server }) => server.once('readable', leave),
  end({ client, server }) {
    server.once('end', leave).resume()
    client.end('x')
  },
  finish({ client }) {
    client.once('finish', leave)
    client.end('x')
  },
  close({ client, server }) {
    server.once('close', leave).resume()
    client.destroy()
    server.end()
  },
  error({ client, server }) {
    server.once('error', leave)
    client.destroy()
    server.write('nobody reads this')
  },
  drain({ client, server }) {
    client.once('drain', leave)
    client.write(large)
    server.resume()
  },
  'write callback': ({ client }) => client.write('x', leave),
  'large write callback'({ client, server }) {
    client.write(large, leave)
    server.resume()
  },
  timeout: ({ client }) => client.setTimeout(1, leave),
  onread: async () => {
    const { server } = await pair({ onread: { buffer: Buffer.alloc(100), callback: leave } })
    server.write('x')
  },
  connect: () => connect(own.path).then(leave),
  'refused connect': () => connect(newName()).catch(leave),
  'waiting connect': async () => {
    const full = await listen(newName(), { backlog: 0 })
    await connect(full.path)
    void connect(full.path).then(leave)
    setTimeout(() => full.accept(), 5)
  },
  accept() {
    void own.accept().then(leave)
    void connect(own.path)
  },
  async iteration() {
    void connect(own.path)
    for await (const _ of own) leave()
  },
  ready() {
    void own.ready().then(leave)
    void connect(own.path)
  },
  listening: () => listen(newName()).then(leave),
  'listener close': () => own.once('close', leave).close(),
  abort() {
    const controller = new AbortController()
    own.accept({ signal: controller.signal }).catch(leave)
    controller.abort()
  },
  async drop() {
    const small = await listen(newName(), { maxConnections: 1, overflow: 'drop' })
    small.once('drop', leave)
    await Promise.all([connect(small.path), small.accept()])
    await connect(small.path)
  },
  async overload() {
    own.once('overload', leave)
    const held = []
    try {
      for (;;) held.push(openSync('/dev/null'))
    } catch {
      // One for the client, and none for us.
      closeSync(held.pop())
    }
    void own.accept()
    await connect(own.path)
  },
  message({ client, server }) {
    new FramedSocket(server).once('message', leave)
    new FramedSocket(client).send('x')
  },
  timer: () => setTimeout(leave, 1),
  immediate: () => setImmediate(leave),
  tick: ({ server }) => server.once('data', () => process.nextTick(leave)),
  microtask: ({ server }) => server.once('data', () => queueMicrotask(leave)),
  'uncaught exception'({ server }) {
    process.once('uncaughtException', leave)
    server.once('data', () => {
      throw new Error('as it should be')
    })
  },
  signal() {
    process.once('SIGTERM', leave)
    process.kill(process.pid, 'SIGTERM')
  },
  'net listening': () => net.createServer().listen(`\0${Buffer.from(newName()).toString().slice(1)}`, leave),
  'net connection'() {
    const name = `\0${Buffer.from(newName()).toString().slice(1)}`
    net.createServer(leave).listen(name, () => net.connect(name))
  },
  'net connect'() {
    const name = `\0${Buffer.from(newName()).toString().slice(1)}`
    net.createServer().listen(name, () => net.connect(name, leave))
  },
}

if (path === undefined) {
  console.log(JSON.stringify(Object.keys(places)))
  process.exit()
}
main = await connect(path)
main.on('error', ignore)
own = await listen(newName(), { backlog: 16 })
flood(await pair())
flood(await pair())
const quiet = await pair()
await places[where](quiet)
if (['data', 'readable', 'tick', 'microtask', 'uncaught exception'].includes(where)) quiet.client.write('x')
