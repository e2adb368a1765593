/**
 * The writers that have bytes to send, and when these are sent: at the end of the turn that queued them, or outside a turn in a microtask.
 *
 * - While a writer is queued, a flush is due: at the turn's end, in a microtask, or in an immediate.
 * - The first bytes of two writers leave in the order in which they were written, as over node:net: before a writer sends on its own, those
 *   queued before it send.
 * - A flush that finds more than its share yields to the event loop and goes on in an immediate; until then no other flush runs.
 * - An error that a flush throws is reported as uncaught, and the other writers are still flushed.
 */
import { monotonicTime, setImmediate } from './scheduling.js'

/** What is flushed at the end of a turn. */
export interface Flushable {
  /** Sends; runs no code of the user's. */
  send(): void
  /** Sends, and calls the callbacks of what was sent. */
  flush(): void
}

/** Writers that one flush takes beyond those queued at its start: a writer whose peer keeps up would be flushed forever. */
const reflushesPerTurn = 64
/** Milliseconds that written bytes wait while the program goes on: the peer could work meanwhile. A send costs about half of it. */
const waitLimit = 0.01
/** Milliseconds between two writes that are a batch, which is sent by its amount alone. */
const quickWrite = 0.001
/** The clock is read at every so many writes: seldom where writes follow quickly on each other, because that costs, too. */
const shortestStride = 2
const longestStride = 32
/** Queued writers after which they are sent, without their callbacks, before the turn's end. */
const sendLimit = 256

const settled = Promise.resolve()

export class FlushQueue {
  readonly #uncaught: (error: unknown) => void
  /** The first `#count` places hold writers; the others are undefined. */
  readonly #writers: (Flushable | undefined)[] = []
  #count = 0
  /** How many of them have sent, and wait for their callbacks only. */
  #sent = 0
  /** Writes between two looks at the clock, and those left until the next. */
  #stride = shortestStride
  #untilLook = shortestStride
  /** When the clock was read last since the last flush; -Infinity: not yet. */
  #lookedAt = -Infinity
  /** Whether the last send was made at a look. */
  #hasPaced = false
  /** Milliseconds that slow writes have taken since the last send. */
  #waited = 0
  /** Whether the flush at this turn's end is put off to a microtask. */
  #postponed = false
  /** Whether flushing waits for the event loop to run an iteration. */
  #yielding = false
  /** Whether the process exits: no turn and no microtask will come. */
  #exiting = false

  constructor(uncaught: (error: unknown) => void) {
    this.#uncaught = uncaught
  }

  /** Queues `writer`. `inTurn`: whether `endTurn()` will be called. */
  add(writer: Flushable, inTurn: boolean): void {
    // A writer that is queued from now on has not waited since the last look, unless that has just sent.
    if (this.#sent === this.#count && !this.#hasPaced) this.#lookedAt = -Infinity
    this.#hasPaced = false
    this.#writers[this.#count++] = writer
    if (this.#exiting || this.#count - this.#sent >= sendLimit) this.send()
    if (this.#count === 1 && !inTurn) void settled.then(this.#flush)
  }

  /** Notes a write that waits for a flush. Sends what is queued if the program has worked for long since. */
  pace(): void {
    if (--this.#untilLook > 0) return
    const now = monotonicTime()
    const passed = now - this.#lookedAt
    const areQuick = passed < this.#stride * quickWrite
    this.#lookedAt = now
    if (areQuick) this.#stride = Math.min(2 * this.#stride, longestStride)
    else this.#stride = Math.max(this.#stride / 2, shortestStride)
    this.#untilLook = this.#stride
    // Quick writes gather, and the first look since a flush has nothing to compare with.
    if (areQuick || passed === Infinity) return
    this.#waited += passed
    if (this.#waited < waitLimit) return
    this.send()
    this.#hasPaced = true
    this.#lookedAt = monotonicTime()
  }

  /** Sends what is queued, or what is queued before `writer`, without calling back. */
  send(writer?: Flushable): void {
    this.#waited = 0
    while (this.#sent < this.#count) {
      // Undefined where a flush that goes on has been.
      const next = this.#writers[this.#sent]
      if (next !== undefined && next === writer) return
      this.#sent++
      next?.send()
    }
  }

  /** Puts the flush at this turn's end off to a microtask, which runs after the turn's ticks. */
  postpone(): void {
    this.#postponed = true
  }

  /** Flushes what the turn queued. */
  endTurn(): void {
    if (this.#postponed) void settled.then(this.#flush)
    else this.#flush()
  }

  /** Sends everything, now and from now on: the process exits, possibly inside a flush. */
  sendAtExit(): void {
    this.#exiting = true
    this.#sent = 0
    this.send()
  }

  readonly #flush = (): void => {
    this.#postponed = false
    if (this.#yielding) return
    this.#waited = 0
    this.#lookedAt = -Infinity
    const writers = this.#writers
    const most = this.#count + reflushesPerTurn
    // Writers that are queued meanwhile are flushed too. The array is kept: growing a new one each turn shows in ping.
    let index = 0
    for (; index < this.#count && index < most; index++) {
      const writer = writers[index]
      writers[index] = undefined
      try {
        writer?.flush()
      } catch (error) {
        this.#uncaught(error)
      }
    }
    const left = this.#count - index
    if (left > 0) {
      writers.copyWithin(0, index, this.#count).fill(undefined, left, this.#count)
      this.#yielding = true
      setImmediate(this.#flushOn)
    }
    this.#sent = Math.max(0, this.#sent - index)
    this.#count = left
  }

  readonly #flushOn = (): void => {
    this.#yielding = false
    this.#flush()
  }
}
