// Argument: a scenario. Runs it again and again, and prints before the first round and after each, as lines of JSON, what the
// process holds. As many threads as it ever has are there before the first.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abstractName, connect, FramedSocket, listen } from '../../index.js'

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

  /** Nobody listens, or the caller gives up: before, and while the backlog is full. */
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
      if (index % 3 === 0) seen(await connect(where)).destroy()
      const accepting = index % 3 === 1 ? failure(listener.accept(), 'ERR_LISTENER_CLOSED') : undefined
      if (index % 5 === 0) await listener.close({ drain: true })
      await listener.close()
      await accepting
    })
    return count
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
            const framed = seen(new FramedSocket(socket, { maxLength: 16 }))
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
  const threads = Number(/^Threads:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  const descriptors = readdirSync('/proc/self/fd').length - 1
  const line = { operations, descriptors, threads, alive, rss, heap: heapUsed + external }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** What is garbage is collected; how much of what the round made is not. */
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

const opened = Array.from({ length: 64 }, (_, index) =>
  listen(join(directory, `first${index}`), { unlinkOnClose: true }),
)
await Promise.all(opened.map(async opening => (await opening).close()))
report(0, 0)

const scenario = scenarios[process.argv[2]]
for (let round = 0; round < rounds; round++) {
  const operations = (await scenario(path)) + (await scenario(name))
  report(operations, await collected())
}
rmSync(directory, { recursive: true })
