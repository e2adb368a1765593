import { type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { directory } from '../helpers/sockets.js'
import { compare, once, type Program, quiet, type World } from './helpers.js'
import { isNode } from '../helpers/runtimes.js'

/** The event loop's closing phase is libuv's. */
const isLibuv = isNode && process.env['UDSOCK_WAKER'] !== 'doorbell'

function compareOnLibuv(title: string, program: Program): void {
  if (isLibuv) compare(title, program)
  else test.skip(title, () => {})
}

async function clientsOf(world: World, count: number): Promise<Socket[]> {
  await world.serve({}, accepted => accepted.resume().on('error', () => {}))
  const clients = Array.from({ length: count }, () => world.keep(world.net.connect(world.path)))
  await Promise.all(clients.map(client => once(client, 'connect')))
  await quiet(10)
  return clients
}

type Phase = (client: Socket, work: () => void) => unknown

/** Where a socket is destroyed. */
const phases: Record<string, Phase> = {
  'a timer': (_client, work) => setTimeout(work, 5),
  'an immediate': (_client, work) => setImmediate(work),
  'a tick': (_client, work) => setTimeout(() => process.nextTick(work), 5),
  'a promise': (_client, work) => setTimeout(() => void Promise.resolve().then(work), 5),
  "its 'data'": (client, work) => client.on('data', work).write('hello'),
}

for (const [phase, run] of Object.entries(phases))
  compareOnLibuv(`'close' comes after the immediates queued at destroy(): in ${phase}`, async world => {
    const [client] = await clientsOf(world, 1)
    if (phase.includes('data')) {
      const server = await new Promise<Socket>(resolve => {
        world.keep(world.net.createServer(resolve)).listen(`${world.path}2`)
        client!.destroy()
        world.keep(world.net.connect(`${world.path}2`)).on('connect', function (this: Socket) {
          run(this, () => destroy(this))
        })
      })
      world.keep(server).on('data', data => server.write(data))
    } else {
      run(client!, () => destroy(client!))
    }
    await quiet(60)

    function destroy(socket: Socket): void {
      socket.on('close', () => world.note('order', 'close'))
      setImmediate(() => world.note('order', 'immediate queued before'))
      socket.destroy()
      setImmediate(() => world.note('order', 'immediate queued behind'))
      process.nextTick(() => world.note('order', 'tick'))
    }
  })

compareOnLibuv(
  "sockets destroyed together: each has its 'close', with ticks and promises between",
  async world => {
    const clients = await clientsOf(world, 4)
    for (const [index, client] of clients.entries())
      client.on('close', () => {
        world.note('order', `close ${index}`)
        process.nextTick(() => world.note('order', `tick ${index}`))
        void Promise.resolve().then(() => world.note('order', `promise ${index}`))
        if (index !== 2) return
        clients[0]!.destroy()
        setImmediate(() => world.note('order', 'immediate'))
      })
    for (const client of clients.slice(1)) client.destroy()
    await once(clients[0]!, 'close')
    await quiet(10)
  },
)

compareOnLibuv("a 'close' listener that throws keeps no other from being called", async world => {
  const clients = await clientsOf(world, 3)
  await world.catching(async () => {
    for (const [index, client] of clients.entries())
      client.on('close', () => {
        world.note('order', `close ${index}`)
        throw new Error(`thrown ${index}`)
      })
    for (const client of clients) client.destroy()
    await quiet()
  })
})

const source = `
const { workerData } = require('node:worker_threads')
const net = require(workerData.module)
const server = net.createServer(socket => socket.resume().on('error', () => {})).listen(workerData.path)
const clients = Array.from({ length: 50 }, () => net.connect(workerData.path))
let connected = 0
for (const client of clients)
  client.on('error', () => {}).on('connect', () => {
    if (++connected < clients.length) return
    if (workerData.how === 'in a close') clients[0].on('close', () => process.exit(5))
    for (const client of clients) client.destroy()
    if (workerData.how === 'behind destroy') process.exit(5)
    require('node:worker_threads').parentPort.postMessage('destroyed')
    if (workerData.how === 'terminate') for (;;);
  })`

for (const how of ['in a close', 'behind destroy', 'terminate'])
  test(`a worker that ends while sockets are closing takes nothing with it: ${how}`, async t => {
    const module = new URL('../../net.js', import.meta.url).pathname
    for (let round = 0; round < 5; round++) {
      const path = `${directory(t)}/s`
      const worker = new Worker(source, { eval: true, execArgv: [], workerData: { how, path, module } })
      if (how === 'terminate') {
        await once(worker, 'message')
        t.is(await worker.terminate(), 1)
      } else {
        t.deepEqual(await once(worker, 'exit'), [5])
      }
    }
  })
