import { spawn } from 'node:child_process'
import { once } from 'node:events'
import nodeNet from 'node:net'
import { constants } from 'node:os'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { binding, type RawFunctions, type Driver } from '../../dist/internal/binding.js'
import { Kind, MORE, SLOTS } from '../../dist/internal/native.js'
import { directory } from '../helpers/sockets.js'
import { type Waker, wakers } from '../helpers/program.js'
import { isBun, isNode } from '../helpers/runtimes.js'

const { Driver } = binding()
const everyWaker = Object.keys(wakers).filter(waker => waker === 'doorbell' || isNode) as Waker[]

/** A reactor of the test's own, whose owner sleeps until it is woken. */
class Bench {
  readonly #ring = new Int32Array(new ArrayBuffer(16 * 1025))
  readonly reactor: Driver
  readonly raw: RawFunctions
  #onReady: (() => void) | undefined
  readonly #path: Uint8Array
  readonly listener: number

  constructor(t: ExecutionContext, waker: Waker) {
    const ready = (): void => this.#onReady?.()
    const bytes = new Uint8Array(this.#ring.buffer)
    this.reactor = new Driver(ready, () => {}, bytes, Buffer.allocUnsafeSlow(65_536), waker === 'doorbell')
    this.raw = this.reactor.functions() as RawFunctions
    this.raw.keepAlive(1)
    this.#path = Buffer.from(join(directory(t), 's'))
    this.listener = this.reactor.listenNow(this.#path, 16, false)
    t.teardown(() => {
      this.raw.close(this.listener)
      this.raw.keepAlive(0)
    })
  }

  pair(): [client: number, server: number] {
    const client = this.raw.connect(this.#path, 0, 0)
    return [client, this.raw.accept(this.listener)]
  }

  /** The events that a wake-up brings: kind and slot. */
  async next(): Promise<[kind: number, slot: number][]> {
    for (;;) {
      const events = this.poll()
      if (events.length > 0) return events
      const woken = new Promise<void>(resolve => (this.#onReady = resolve))
      this.raw.arm()
      await woken
    }
  }

  poll(): [kind: number, slot: number][] {
    const events: [number, number][] = []
    for (let left = true; left;) {
      const polled = this.raw.poll(0)
      for (let index = 1; index <= polled % MORE; index++)
        events.push([this.#ring[4 * index + 1]!, this.#ring[4 * index]!])
      left = polled >= MORE
    }
    return events
  }
}

for (const waker of everyWaker) {
  test(`a peer's hang-up wakes the owner of a connection without a reader (${waker})`, async t => {
    t.timeout(20_000)
    const bench = new Bench(t, waker)
    const [client, server] = bench.pair()
    bench.poll()
    setTimeout(() => bench.raw.close(client), 20)
    t.deepEqual(await bench.next(), [[Kind.hangUp, server % SLOTS]])
    t.deepEqual(bench.poll(), [])
    bench.raw.readStart(server, 0)
    t.deepEqual(await bench.next(), [[Kind.end, server % SLOTS]])
    bench.raw.close(server)
  })

  test(`so does one that came before reading stopped, once nothing else is left (${waker})`, async t => {
    t.timeout(20_000)
    const bench = new Bench(t, waker)
    const [client, server] = bench.pair()
    bench.raw.readStart(server, 1)
    bench.raw.write(client, Buffer.from('last'), 0, 4)
    bench.raw.close(client)
    t.deepEqual((await bench.next()).at(-1), [Kind.bulk, server % SLOTS])
    const memory = new Uint8Array(2)
    t.is(bench.raw.read(server, memory), 2)
    bench.raw.readStop(server)
    t.deepEqual(bench.poll(), [], 'two bytes are unread')
    bench.raw.readStart(server, 1)
    t.is(bench.raw.read(server, memory), 2)
    bench.raw.readStop(server)
    t.deepEqual(await bench.next(), [[Kind.hangUp, server % SLOTS]])
    bench.raw.close(server)
  })

  test(`an id whose slot was reused closes nothing (${waker})`, t => {
    const bench = new Bench(t, waker)
    const [client, server] = bench.pair()
    t.is(bench.raw.close(client), 0)
    bench.poll()
    const [next, other] = bench.pair()
    t.is(next % SLOTS, client % SLOTS)
    t.is(bench.raw.close(client), -constants.errno.EBADF)
    t.is(bench.raw.write(next, Buffer.from('x'), 0, 1), 1)
    t.is(bench.raw.read(other, new Uint8Array(1)), 1)
    for (const id of [server, next, other]) bench.raw.close(id)
  })

  const onLinux = process.platform === 'linux' && !isBun ? test : test.skip
  onLinux(`a closed listener that another process still holds causes no wake-up (${waker})`, async t => {
    t.timeout(30_000)
    const path = join(directory(t), 's')
    const server = nodeNet.createServer(socket => socket.on('error', () => {}).end()).listen(path)
    await once(server, 'listening')
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle
    const program = fileURLToPath(new URL('../programs/closed-listener.js', import.meta.url))
    const child = spawn(process.execPath, [program, '3'], {
      stdio: ['pipe', 'pipe', 'inherit', fd],
      env: { ...process.env, ...wakers[waker] },
    })
    t.teardown(() => {
      child.kill('SIGKILL')
      server.close()
    })
    const lines = createInterface(child.stdout!)[Symbol.asyncIterator]()
    t.is((await lines.next()).value, 'closed')
    for (let count = 0; count < 300; count++) await once(nodeNet.connect(path).resume(), 'close')
    child.stdin!.end('\n')
    const wakeUps = Number((await lines.next()).value)
    t.true(wakeUps < 100, `${wakeUps} wake-ups for 300 clients of another process`)
  })
}
