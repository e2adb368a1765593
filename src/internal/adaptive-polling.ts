/**
 * Measures whether polling for answers is cheaper than sleeping until they come, and polls while it is. A *wait* lasts from the first send after
 * an answer to the next bytes that arrive.
 *
 * While waits are short, it tests from time to time: some waits asleep, then some that poll. It polls from then on if these took much less time.
 * Where a sleep and a wake-up cost more than the short wait does, that saves processor time, too. It stops when a check finds that it does not.
 *
 * - Polling pays when both ends do it, so both have to test at the same time. Tests begin at multiples of a period by the machine's monotonic clock,
 *   which the age of the traffic sets: 4 ms at first, because code is slow when it is new, and 2 s in the end.
 * - Polling ends when answers stay out, when more threads want to run than there are processors, and when it costs more processor time per received byte than the test had found for sleeping.
 */
import { type BusyPolling } from './busy-polling.js'
import { polled } from './diagnostics.js'

/** The processors, and what this thread has used of them. */
export interface Machine {
  /** Nanoseconds of processor time that this thread has used. */
  threadTime(): number
  /** Processors that this process may use. */
  processors(): number
  /** Runnable threads of the machine beyond the number of its processors. */
  crowd(): number
}

type Waiting = Pick<BusyPolling, 'awaitAnswer' | 'answered' | 'takeSpun'>

/** Answers between two looks at the clock, and looks between two checks of what polling costs. */
const lookInterval = 4
const looksPerCheck = 32
/** Waits of each half of a test that are measured. Some before the polled ones are not: the other end has to begin, too. */
const samples = 8
const unmeasured = 4
/** Polled waits after which a test ends if each of them cost too much. */
const hopeless = 3
/** Milliseconds of a round trip that may be worth a test, and after which its traffic is new. */
const shortWait = 0.4
const silence = 10
/** Microseconds that a wait polls, in a test and afterwards. */
const testPatience = 200
const patience = 100
/** Checks in a row that find a crowd, after which polling ends; these follow sooner on each other. */
const mostCrowded = 3
const looksPerCrowd = 2
/** Waits in a row without an answer, after which polling ends. */
const mostMisses = 4
/** Milliseconds between two tests. */
const shortestPeriod = 4
const longestPeriod = 2048
/** Milliseconds after which a new connection makes the traffic new. */
const renewal = 500
/** Milliseconds for which a count of the processors is believed: it reads files. */
const countingPeriod = 1000
/** The largest shares of a sleeping wait's time, and of its processor time, that a polled wait may take. */
const enoughOfTime = 0.7
const enoughOfCost = 1.5

/** The share of a sleeping wait during which this thread works, beyond which a poll saves no sleep. */
const busy = 0.9
/** The largest mean processor time of polling, as a share of a sleeping wait's. A mean includes pauses that the median of a few waits leaves out. */
const affordable = 1.15

type State = 'asleep' | 'baseline' | 'trial' | 'polling'

export class AdaptivePolling {
  readonly #busyPolling: Waiting
  readonly #machine: Machine
  /** Milliseconds of the machine's monotonic clock. */
  readonly #now: () => number
  /** What UDSOCK_BUSY_POLL says: 'always' polls without a test, and 'never' does not poll. */
  readonly #order: string | undefined
  #state: State = 'asleep'
  #isWaiting = false
  #misses = 0
  /** Answers until the next look, or until the half of a test is complete. */
  #left = lookInterval
  #looksLeft = 0
  /** Checks in a row that have found more to run than processors. */
  #crowded = 0
  /** When the traffic began, when the next test is due, and when the processors were counted last. */
  #began = 0
  #nextTest = 0
  #countedAt = -Infinity
  #hasProcessors = true
  /** The last measurement: when, at what processor time, and the bytes that have arrived since. */
  #measuredAt = 0
  #processorTime = 0
  #bytes = 0
  readonly #processorCosts = new Float64Array(samples)
  readonly #elapsed = new Float64Array(samples)
  /** Per byte asleep: nanoseconds of processor time, and milliseconds. */
  #asleepCost = 0
  #asleepElapsed = 0
  /** What was polled for since the last report: answers that came, and that did not. */
  #answered = 0
  #missed = 0

  constructor(busyPolling: Waiting, machine: Machine, clock: () => number) {
    this.#busyPolling = busyPolling
    this.#machine = machine
    this.#now = clock
    this.#order = process.env['UDSOCK_BUSY_POLL']
    if (this.#order === 'always') this.#state = 'polling'
  }

  /** Whether it polls now. */
  get isPolling(): boolean {
    return this.#state === 'polling'
  }

  /** There is a new connection, whose other end may begin to test. */
  renew(): void {
    const now = this.#now()
    if (now - this.#began > renewal) this.#renewAt(now)
  }

  /** Bytes were sent: an answer may come. */
  sent(): void {
    if (this.#isWaiting || this.#order === 'never') return
    this.#isWaiting = true
    if (this.#state === 'polling') this.#busyPolling.awaitAnswer(patience, this.#onMiss)
    else if (this.#state === 'trial') this.#busyPolling.awaitAnswer(testPatience, this.#onMiss)
  }

  /** So many bytes arrived. */
  received(bytes: number): void {
    this.#bytes += bytes
    if (!this.#isWaiting) return
    this.#isWaiting = false
    if (this.#state === 'polling' || this.#state === 'trial') {
      this.#misses = 0
      this.#answered++
      this.#busyPolling.answered()
    }
    if (--this.#left > 0 && (this.#state === 'asleep' || this.#state === 'polling')) return
    if (this.#state === 'asleep') this.#look()
    else if (this.#state === 'polling') this.#check()
    else this.#sample()
  }

  #renewAt(now: number): void {
    this.#began = now
    this.#nextTest = now
  }

  #look(): void {
    const now = this.#now()
    const wait = (now - this.#measuredAt) / lookInterval
    this.#measuredAt = now
    this.#left = lookInterval
    if (wait > silence) this.#renewAt(now)
    else if (wait < shortWait && now >= this.#nextTest) this.#beginTest(now)
  }

  #beginTest(now: number): void {
    if (now - this.#countedAt > countingPeriod) {
      this.#countedAt = now
      this.#hasProcessors = this.#machine.processors() > 1
    }
    // On one processor, or with more runnable threads than processors, a poll only delays other threads.
    if (!this.#hasProcessors || this.#machine.crowd() > 0) return this.#conclude(false)
    this.#state = 'baseline'
    // The first sample begins with the next answer.
    this.#left = samples + 1
  }

  /** Measures the wait that has ended. */
  #sample(): void {
    const now = this.#now()
    const processorTime = this.#machine.threadTime()
    const elapsed = now - this.#measuredAt
    if (this.#left < samples) {
      this.#processorCosts[this.#left] = (processorTime - this.#processorTime) / this.#bytes
      this.#elapsed[this.#left] = elapsed / this.#bytes
    }
    this.#measuredAt = now
    this.#processorTime = processorTime
    this.#bytes = 0
    if (this.#state === 'baseline' && this.#left < samples && elapsed > 2 * shortWait) this.#conclude(false)
    else if (this.#left > 0) this.#giveUpIfHopeless()
    else if (this.#state === 'baseline') this.#beginTrial()
    else this.#decide()
  }

  #giveUpIfHopeless(): void {
    if (this.#state !== 'trial' || this.#left !== samples - hopeless) return
    const measured = this.#processorCosts.subarray(samples - hopeless)
    if (measured.every(cost => cost > enoughOfCost * this.#asleepCost)) this.#conclude(false)
  }

  #beginTrial(): void {
    this.#asleepCost = median(this.#processorCosts)
    this.#asleepElapsed = median(this.#elapsed)
    // This thread did not sleep. The other end may run in it, too, and a poll would delay it.
    if (this.#asleepCost > busy * 1e6 * this.#asleepElapsed) return this.#conclude(false)
    this.#state = 'trial'
    this.#left = unmeasured + samples
    this.#misses = 0
  }

  #decide(): void {
    const isQuicker = median(this.#elapsed) <= enoughOfTime * this.#asleepElapsed
    const isAffordable = median(this.#processorCosts) <= enoughOfCost * this.#asleepCost
    this.#conclude(isQuicker && isAffordable && this.#machine.crowd() === 0)
  }

  /** Ends a test, or polling. */
  #conclude(pays: boolean): void {
    const now = this.#now()
    let period = shortestPeriod
    while (period < longestPeriod && 4 * period <= now - this.#began) period *= 2
    this.#nextTest = (Math.floor(now / period) + 1) * period
    this.#report(pays)
    this.#state = pays ? 'polling' : 'asleep'
    this.#left = lookInterval
    this.#looksLeft = looksPerCheck
    this.#misses = 0
    this.#crowded = 0
    this.#measuredAt = now
    this.#processorTime = this.#machine.threadTime()
    this.#bytes = 0
  }

  #report(isPolling: boolean): void {
    polled(isPolling, this.#answered, this.#missed, this.#busyPolling.takeSpun())
    this.#answered = this.#missed = 0
  }

  /** Begins a test that is due, or checks whether polling still pays. */
  #check(): void {
    this.#left = lookInterval
    if (this.#order === 'always') return
    const now = this.#now()
    if (now >= this.#nextTest) {
      this.#beginTest(now)
    } else if (--this.#looksLeft === 0) {
      this.#looksLeft = looksPerCheck
      const processorTime = this.#machine.threadTime()
      const cost = (processorTime - this.#processorTime) / this.#bytes
      this.#processorTime = processorTime
      this.#bytes = 0
      this.#crowded = this.#machine.crowd() > 0 ? this.#crowded + 1 : 0
      if (this.#crowded > 0) this.#looksLeft = looksPerCrowd
      else if (cost > affordable * this.#asleepCost) return this.#conclude(false)
      if (this.#crowded >= mostCrowded) this.#conclude(false)
    }
  }

  readonly #onMiss = (): void => {
    this.#isWaiting = false
    this.#missed++
    if (++this.#misses >= mostMisses && this.#order !== 'always') this.#conclude(false)
  }
}

function median(values: Float64Array): number {
  return values.toSorted()[values.length >> 1]!
}
