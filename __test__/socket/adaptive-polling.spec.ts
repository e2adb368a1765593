import test from 'ava'
import { AdaptivePolling } from '../../dist/internal/adaptive-polling.js'

/** A machine whose clock only the test moves, in milliseconds. */
class Clock {
  now = 1000
}

/** One end of a conversation. Times are in microseconds. */
class End {
  readonly polling: AdaptivePolling
  readonly #clock: Clock
  /** Nanoseconds of processor time, and answers that were polled for in vain. */
  used = 0
  polledInVain = 0
  /** Threads that want to run beyond the processors. */
  crowd = 0
  #wait: { from: number; until: number; onMiss: () => void } | undefined

  constructor(clock: Clock, processors = 2) {
    this.#clock = clock
    const waiting = {
      awaitAnswer: (microseconds: number, onMiss: () => void) => {
        this.#wait = { from: clock.now, until: clock.now + microseconds / 1000, onMiss }
      },
      answered: () => (this.#wait = undefined),
      takeSpun: () => 0,
    }
    const machine = {
      threadTime: () => this.used,
      processors: () => processors,
      crowd: () => this.crowd,
    }
    this.polling = new AdaptivePolling(waiting, machine, () => clock.now)
  }

  /** Bytes arrive now. Returns how long this end takes until it has them, if a sleep costs `wakeUp` of time and `sleep` of the processor's. */
  receive(bytes: number, { wakeUp, sleep }: Costs): void {
    const wait = this.#wait
    const arrived = this.#clock.now
    if (wait !== undefined && wait.until >= arrived) {
      this.used += (arrived - wait.from) * 1e6
      this.#clock.now += 0.001
    } else {
      if (wait !== undefined) {
        this.used += (wait.until - wait.from) * 1e6
        this.polledInVain++
        this.#wait = undefined
        wait.onMiss()
      }
      this.used += sleep * 1000
      this.#clock.now += wakeUp / 1000
    }
    this.polling.received(bytes)
  }

  /** Works, and sends. */
  answer(microseconds: number): void {
    this.used += microseconds * 1000
    this.#clock.now += microseconds / 1000
    this.polling.sent()
  }
}

interface Costs {
  wakeUp: number
  sleep: number
}

/** Lets two ends ask and answer; returns the time that the last round trip took. */
function converse(
  clock: Clock,
  client: End,
  server: End,
  rounds: number,
  work: number,
  costs: Costs,
): number {
  let took = 0
  for (let round = 0; round < rounds; round++) {
    const began = clock.now
    client.answer(5)
    server.receive(64, costs)
    server.answer(work)
    client.receive(64, costs)
    took = (clock.now - began) * 1000
  }
  return took
}

const dear = { wakeUp: 50, sleep: 20 }

test('both ends poll within a few dozen round trips where a wake-up is dear', t => {
  const clock = new Clock()
  const [client, server] = [new End(clock), new End(clock)]
  converse(clock, client, server, 48, 5, dear)
  t.true(client.polling.isPolling)
  t.true(server.polling.isPolling)
  t.true(converse(clock, client, server, 1, 5, dear) < 20)
})

test('an end whose other end works in the same thread never polls', t => {
  const clock = new Clock()
  const end = new End(clock)
  for (let round = 0; round < 2000; round++) {
    end.answer(5)
    end.used += 40_000
    clock.now += 0.04
    end.receive(64, { wakeUp: 5, sleep: 5 })
    // Every wait takes as much of the processor as it takes of time: no test goes beyond its first half.
    t.true(end.used >= (clock.now - 1000) * 0.99e6 && end.used <= (clock.now - 1000) * 1.01e6)
  }
  t.false(end.polling.isPolling)
})

test('they go on while it pays, through many tests', t => {
  const clock = new Clock()
  const [client, server] = [new End(clock), new End(clock)]
  converse(clock, client, server, 100, 5, dear)
  const began = clock.now
  converse(clock, client, server, 200_000, 5, dear)
  t.true((clock.now - began) / 200_000 < 0.0135, `${(clock.now - began) / 200} µs`)
})

test('they begin and stop together when a server of old meets a new client', t => {
  const clock = new Clock()
  const server = new End(clock)
  converse(clock, new End(clock), server, 50_000, 300, dear)
  const client = new End(clock)
  server.polling.renew()
  converse(clock, client, server, 100, 5, dear)
  t.true(client.polling.isPolling)
  t.true(server.polling.isPolling)
})

test('nobody polls where a wake-up is as quick as a poll', t => {
  const clock = new Clock()
  const [client, server] = [new End(clock), new End(clock)]
  for (let round = 0; round < 100; round++) {
    converse(clock, client, server, 100, 5, { wakeUp: 1, sleep: 1 })
    t.false(client.polling.isPolling)
    t.false(server.polling.isPolling)
  }
})

for (const work of [100, 300, 1000, 10_000]) {
  test(`a server that takes ${work} µs costs its client no more than 3 % of the processor's time`, t => {
    const clock = new Clock()
    const [client, server] = [new End(clock), new End(clock)]
    const rounds = Math.ceil(2_000_000 / work)
    converse(clock, client, server, rounds, work, dear)
    const asleep = rounds * (5 + work + 2 * dear.sleep)
    t.true(
      (client.used + server.used) / 1000 < 1.03 * asleep,
      `${(client.used + server.used) / 1000 / asleep}`,
    )
  })
}

test('on one processor nobody tests', t => {
  const clock = new Clock()
  const [client, server] = [new End(clock, 1), new End(clock, 1)]
  converse(clock, client, server, 1000, 5, dear)
  t.false(client.polling.isPolling)
  t.is(client.used, 1000 * 25_000)
})

test('polling ends in a crowd, and not for a thread that runs for a moment', t => {
  const clock = new Clock()
  const [client, server] = [new End(clock), new End(clock)]
  converse(clock, client, server, 100, 5, dear)
  client.crowd = 1
  converse(clock, client, server, 130, 5, dear)
  client.crowd = 0
  converse(clock, client, server, 100, 5, dear)
  t.true(client.polling.isPolling)
  client.crowd = 1
  converse(clock, client, server, 200, 5, dear)
  t.false(client.polling.isPolling)
})

test('polling ends when answers stay out', t => {
  const clock = new Clock()
  const [client, server] = [new End(clock), new End(clock)]
  converse(clock, client, server, 100, 5, dear)
  t.true(client.polling.isPolling)
  converse(clock, client, server, 8, 5000, dear)
  t.false(client.polling.isPolling)
  t.true(client.polledInVain < 8)
})

test('a process that only sends never polls', t => {
  const clock = new Clock()
  const end = new End(clock)
  for (let round = 0; round < 10_000; round++) end.answer(5)
  t.false(end.polling.isPolling)
  t.is(end.polledInVain, 0)
})
