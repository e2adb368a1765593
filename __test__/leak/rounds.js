// Argument: a scenario. Runs it again and again, and prints before the first round and after each, as lines of JSON, what the
// process holds. `pool` counts the threads for work on files, which come and go, `closers` those that close descriptors.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getHeapSpaceStatistics } from 'node:v8'
import { abstractName, bindDatagram, connect, FramedSocket, listen } from '../../index.js'
import { threads } from '../programs/threads.js'

const rounds = 6
const atOnce = 16
const directory = mkdtempSync(join(tmpdir(), 'uds-'))
const path = join(directory, 's')
const name = abstractName(`udsock-test-${randomBytes(8).toString('hex')}`)

/** What should be garbage after the round. */
const made = new Set()
const seen = object => {
  made.add(new WeakRef(object))
  return object
}

const openDescriptors = () => readdirSync('/proc/self/fd').length - 1

const closed = socket => new Promise(resolve => socket.once('close', resolve))

/** Runs `work` so many times, some at once. */
async function times(count, work) {
  let begun = 0
  const worker = async () => {
    while (begun < count) await work(begun++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** A listener that hands each connection to `serve`, while `work` runs. */
async function during(where, serve, work) {
  const listener = seen(await listen(where, { backlog: 4 * atOnce, unlinkOnClose: true }))
  const accepting = (async () => {
    for await (const socket of listener) serve(seen(socket))
  })()
  await work()
  await listener.close()
  await accepting
}

async function failure(promise, ...codes) {
  try {
    await promise
  } catch (error) {
    if (codes.includes(error.code ?? error.name)) return
    throw error
  }
  throw new Error(`no ${codes.join(' or ')}`)
}

const scenarios = {
  /** Connect, a message there and back, close. */
  async echo(where) {
    const count = 10_000
    await during(
      where,
      socket => socket.pipe(socket),
      () =>
        times(count, async index => {
          const socket = seen(await connect(where))
          const message = Buffer.alloc(1 + (index % 3000), 'm')
          let missing = message.length
          socket.on('data', chunk => {
            missing -= chunk.length
            if (missing === 0) socket.end()
          })
          socket.write(message)
          await closed(socket)
          if (missing !== 0) throw new Error('the message did not come back')
        }),
    )
    return 2 * count
  },

  /** No listener, or the caller aborts: before, and while the backlog is full. */
  async refused(where) {
    const count = 20_000
    const full = seen(await listen(where, { backlog: 1, unlinkOnClose: true }))
    const waiting = [seen(await connect(where)), seen(await connect(where))]
    await times(count, async index => {
      if (index % 4 === 0) await failure(connect(join(directory, 'nobody')), 'ENOENT')
      else if (index % 4 === 1) await failure(connect(abstractName('udsock-test-nobody')), 'ECONNREFUSED')
      else if (index % 4 === 2) await failure(connect(where, { signal: AbortSignal.abort() }), 'ABORT_ERR')
      else {
        const controller = new AbortController()
        const attempt = failure(connect(where, { signal: controller.signal }), 'ABORT_ERR')
        if (index % 8 === 3) await new Promise(setImmediate)
        controller.abort()
        await attempt
      }
    })
    await Promise.all(waiting.map(socket => closed(socket.destroy())))
    await full.close()
    return count
  },

  /** Listen, close; some with a connection that waits, some with an accept that does. */
  async listeners() {
    const count = 2000
    await times(count, async index => {
      const where =
        index % 2 === 0 ? join(directory, `s${index}`) : abstractName(`udsock-test-${process.pid}-${index}`)
      const listener = seen(await listen(where, { unlinkOnClose: true }))
      if (index % 3 === 0) await closed(seen(await connect(where)).destroy())
      const accepting = index % 3 === 1 ? failure(listener.accept(), 'ERR_LISTENER_CLOSED') : undefined
      if (index % 5 === 0) await listener.close({ drain: true })
      await listener.close()
      await accepting
    })
    return count
  },

  /** Sockets for datagrams of every kind; some send descriptors, some to nobody. */
  async datagrams(where) {
    const count = 4000
    const server = seen(await bindDatagram(where, { unlinkOnClose: true, receiveDescriptors: 1 }))
    server.on('message', (_message, { descriptors }) => {
      for (const descriptor of descriptors) seen(descriptor).close()
    })
    await times(count, async index => {
      const client = seen(await bindDatagram(index % 3 === 0 ? { autobind: true } : undefined))
      const to = index % 2 === 0 ? where : undefined
      if (to === undefined) await client.connect(where)
      const descriptors = index % 5 === 0 ? [0] : []
      await client.sendAndWait(Buffer.alloc(index % 3000, 'm'), { to, descriptors })
      if (index % 7 === 0)
        await failure(client.sendAndWait('x', { to: join(directory, 'nobody'), descriptors }), 'ENOENT')
      await client.close()
    })
    await server.close()
    return 2 * count
  },

  /** Every turn brings an error: a peer that is gone, a frame that is too long, one that is cut. */
  async errors(where) {
    const count = 5000
    await during(
      where,
      socket => {
        socket.on('error', () => {})
        socket.once('data', () => socket.destroy())
      },
      () =>
        times(count, async index => {
          const socket = seen(await connect(where))
          if (index % 2 === 0) {
            socket.on('error', () => {})
            socket.resume().write('x')
            await new Promise(resolve => socket.once('end', resolve))
            const gone = closed(socket)
            socket.write('nobody reads this', () => {})
            await gone
          } else {
            const framed = seen(new FramedSocket(socket, { maxMessageLength: 16 }))
            framed.on('error', () => {})
            const gone = closed(socket)
            framed.on('message', () => {})
            socket.write('x')
            socket.on('end', () => socket.destroy(new Error('as the test wants it')))
            await gone
          }
        }),
    )
    return 2 * count
  },
}

function report(operations, alive) {
  const { rss, heapUsed, external } = process.memoryUsage()
  const names = threads().map(({ status }) => /^Name:\s*(.*)/.exec(status)[1])
  const pool = names.filter(thread => thread === 'udsock-files').length
  const closers = names.filter(thread => thread === 'udsock-close').length
  const others = names.length - pool - closers
  const descriptors = openDescriptors()
  // Bytes in the young generation vary by 1 MiB from round to round; what stays alive leaves it during collected().
  const young = getHeapSpaceStatistics().find(space => space.space_name === 'new_space').space_used_size
  const heap = heapUsed - young + external
  const line = { operations, descriptors, threads: others, pool, closers, alive, rss, heap }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** Collects garbage. Returns how much of what the round made is still alive. */
async function collected() {
  for (let pass = 0; pass < 4; pass++) {
    await new Promise(setImmediate)
    globalThis.gc()
  }
  let alive = 0
  for (const reference of made) if (reference.deref() !== undefined) alive++
  made.clear()
  return alive
}

// The runtime's thread is there before the first round.
await (await listen(join(directory, 'first'), { unlinkOnClose: true })).close()
report(0, 0)
// Together with what the first write to a pipe opens.
const lasting = openDescriptors()

/** Other threads close attempts that were aborted, and descriptors that were received. */
async function allClosed() {
  for (let tries = 0; tries < 2000 && openDescriptors() > lasting; tries++)
    await new Promise(resolve => setTimeout(resolve, 5))
}

const scenario = scenarios[process.argv[2]]
for (let round = 0; round < rounds; round++) {
  const operations = (await scenario(path)) + (await scenario(name))
  await allClosed()
  report(operations, await collected())
}
rmSync(directory, { recursive: true })
