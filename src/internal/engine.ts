/**
 * The engine drives the environment's reactor: it polls, and hands the events to the sockets that they concern.
 *
 * A *turn* is one pass over everything that is ready. What was written in a turn is sent at its end, or sooner when a socket has gathered
 * much; what is written outside a turn is sent in a microtask.
 *
 * - There is one engine per JavaScript environment. Turns do not nest.
 * - The ring, which the reactor writes to, never leaves this module.
 * - A handler that throws is reported as uncaught, and the other events of its turn are still delivered.
 * - While something is left to do, another turn is scheduled or the waker is armed.
 */
import { constants } from 'node:os'
import { AdaptivePolling } from './adaptive-polling.js'
import { BusyPolling } from './busy-polling.js'
import { binding, type Driver, type RawFunctions } from './binding.js'
import { startDriver } from './driver.js'
import { systemError } from './errors.js'
import { type Flushable, FlushQueue } from './flush-queue.js'
import { onEvent } from './hooks.js'
import { INTEGERS_PER_EVENT, INTERNAL, Kind, MORE, SLOTS } from './native.js'
import { Phases } from './phases.js'
import { Requests } from './requests.js'
import { monotonicTime, nextTick, setImmediate } from './scheduling.js'
import { Scratch } from './scratch.js'

/** Receives the events of one id. */
export interface EventHandler {
  /** `value`: bytes for data, the negative errno for an error. `offset`: where the data is in the scratch memory. */
  [onEvent](kind: number, value: number, offset: number): void
}

/** The most events that one pull brings; at least SMALLEST_RING of the crate udsock-reactor. */
const ringPlaces = 1024
/** Pulls before the event loop runs timers and immediates again. */
const pullsPerTurn = 16
/** Connections that are made without yielding to the event loop. */
const connectsPerTurn = 64
const notOpen = -constants.errno.EBADF
/** The id of a socket that has no connection yet. */
export const unconnected = -1

const settled = Promise.resolve()

/** Returns the slot of an id. SLOTS is a power of two; `%` would divide floating-point numbers. */
const slotOf = (id: number): number => id & (SLOTS - 1)

export class Engine {
  readonly raw: RawFunctions
  readonly driver: Driver
  readonly #ring: Int32Array
  readonly scratch = new Scratch()
  readonly #uncaught: (error: unknown) => void
  /** Whether the doorbell wakes the engine up, and has to be armed again. */
  readonly #rings: boolean
  /** Receivers of events, by the slot of their id. */
  readonly #handlers: (EventHandler | undefined)[] = []
  /** Events of this turn's ring, and how many of them were handed out. */
  #pulled = 0
  #dispatched = 0
  /** The control plane's work. */
  readonly requests = new Requests(this)
  #lastPeer = { uid: 0, gid: 0, pid: 0 }
  readonly #flushQueue: FlushQueue
  /** Work for later phases of the event loop. */
  readonly phases: Phases
  readonly #busyPolling = new BusyPolling(
    microseconds => this.#run(microseconds, true),
    () => this.#rearm(),
  )
  /** Decides whether to poll for the answers to sockets with `busyPoll: 'auto'`. */
  readonly #adaptivePolling: AdaptivePolling
  /** Calls of `ref()` less those of `unref()`. */
  #refs = 0
  /** Whether the waker was last set to keep the process alive. */
  #isAlive = false
  #inTurn = false
  #turnNumber = 0
  /** Whether the last turn ran in an immediate. */
  #wasImmediate = false
  /** Whether an accept event is this turn's only work. */
  #forListener = false
  /** Connections made since the engine last yielded to the event loop. */
  #connects = 0
  /** Whether this turn has to poll again. */
  #again = false
  /** Whether an immediate is set for the next turn. */
  #scheduled = false

  constructor() {
    const { uncaught } = binding()
    const memory = new ArrayBuffer((1 + ringPlaces) * INTEGERS_PER_EVENT * 4)
    this.#ring = new Int32Array(memory)
    this.#uncaught = uncaught
    this.#flushQueue = new FlushQueue(uncaught)
    this.driver = this.scratch.handOver(scratch =>
      startDriver(this.#turn, () => this.phases.runClosing(), new Uint8Array(memory), scratch),
    )
    this.raw = this.driver.functions() as RawFunctions
    this.phases = new Phases(this.raw, uncaught)
    this.#rings = this.driver.waker === 'doorbell'
    this.#adaptivePolling = new AdaptivePolling(this.#busyPolling, this.raw, monotonicTime)
    // Sends what was written also when a callback ends the process.
    process.on('exit', () => {
      this.#flushQueue.sendAtExit()
      this.driver.removeFiles()
    })
  }

  /** Delivers the id's events to `handler` from now on. */
  attach(id: number, handler: EventHandler | undefined): void {
    this.#adaptivePolling.renew()
    this.#handlers[slotOf(id)] = handler
  }

  /** Closes the id's descriptor, after what other sockets have written before; no event of it is delivered any more. */
  close(id: number): void {
    this.sendQueued()
    let answer = this.raw.close(id)
    // The slot of an id that is closed already may be another socket's.
    if (answer !== notOpen) this.#handlers[slotOf(id)] = undefined
    // Retries once; otherwise the descriptor would leak.
    if (answer === INTERNAL) answer = this.raw.close(id)
    if (answer === 1) this.schedulePoll()
  }

  /** Flushes `writer` at the end of the turn, or outside one in a microtask. */
  queueFlush(writer: Flushable): void {
    this.#flushQueue.add(writer, this.#inTurn)
  }

  /** Notes a write that waits for a flush: see FlushQueue. */
  paceFlush(): void {
    this.#flushQueue.pace()
  }

  /** Sends what waits for a flush, or what is queued before `writer`. */
  sendQueued(writer?: Flushable): void {
    this.#flushQueue.send(writer)
  }

  /** Puts the flush at this turn's end off to a microtask, which runs after the turn's ticks. */
  postpone(): void {
    this.#flushQueue.postpone()
  }

  /** Counts the turns: the same number is the same turn to promises and immediates. */
  get turn(): number {
    return this.#turnNumber
  }

  /** Notes that a socket with this `busyPoll` has sent bytes. */
  sent(busyPoll: 'auto' | number): void {
    if (busyPoll === 'auto') this.#adaptivePolling.sent()
    else if (busyPoll > 0) this.#busyPolling.expect(busyPoll, false)
  }

  /** Notes that a socket with this `busyPoll` has received so many bytes. */
  received(busyPoll: 'auto' | number, bytes: number): void {
    if (busyPoll === 'auto') this.#adaptivePolling.received(bytes)
    else if (busyPoll > 0) this.#busyPolling.expect(busyPoll, true)
  }

  /** Reports an error of a callback that has no caller to throw to. */
  reportUncaught(error: unknown): void {
    this.#uncaught(error)
  }

  /** Keeps the process alive until `unref()`. */
  ref(): void {
    if (this.#refs++ === 0) this.#keepAlive()
  }

  /** Ends what `ref()` began, after the microtasks, because a pooled connection may be reused by then. */
  unref(): void {
    if (--this.#refs > 0 || !this.#isAlive) return
    // On Deno a tick would show in the stacks of errors that are made after it.
    if (this.#rings) this.#keepAlive()
    else void settled.then(this.#keepAliveSoon)
  }

  readonly #keepAliveSoon = (): void => nextTick(this.#keepAlive)

  readonly #keepAlive = (): void => {
    const isAlive = this.#refs > 0
    if (isAlive === this.#isAlive) return
    this.#isAlive = isAlive
    this.raw.keepAlive(isAlive ? 1 : 0)
  }

  /** Whether a single accept event is this turn's only work. */
  get isForListener(): boolean {
    return this.#forListener
  }

  /** Returns a promise to await once 64 connections were made without yielding to the event loop. */
  yieldToEventLoop(): Promise<void> | undefined {
    if (++this.#connects < connectsPerTurn) return undefined
    return new Promise(resolve => {
      setImmediate(() => {
        this.#connects = 0
        resolve()
      })
    })
  }

  /** Polls once more before the event loop sleeps, for events that no edge will report. */
  schedulePoll(): void {
    if (this.#inTurn) {
      this.#again = true
    } else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(this.#immediateTurn)
    }
  }

  /** Returns the credentials of a connection's peer, or a negative errno. */
  peer(id: number): { uid: number; gid: number; pid: number } | number {
    const errno = this.raw.peer(id)
    if (errno < 0) return errno
    const uid = this.#ring[0]! >>> 0
    const gid = this.#ring[1]! >>> 0
    const pid = this.#ring[2]!
    const last = this.#lastPeer
    // The connections of one client, which may be many, share one object.
    if (last.uid === uid && last.gid === gid && last.pid === pid) return last
    return (this.#lastPeer = { uid, gid, pid })
  }

  readonly #turn = (): void => this.#run(0, false)
  /** Goes on with what a turn has left. libuv reports new events by itself; the doorbell is not armed while something is left. */
  readonly #immediateTurn = (): void => this.#run(this.#rings ? 0 : undefined, true)

  /**
   * Runs one turn, in an immediate or not. It polls the kernel once, at the start, for up to so many microseconds while there is no event;
   * with undefined, not at all. Events that this turn causes belong to a later one: its callbacks' immediates run before a peer's answer.
   */
  #run(microseconds: number | undefined, isImmediate: boolean): void {
    if (this.#inTurn) return
    this.#inTurn = true
    // Immediates that were set in an immediate have not run when the event loop polls next: that is still the same turn to them.
    if (isImmediate || !this.#wasImmediate) this.#turnNumber++
    this.#wasImmediate = isImmediate
    this.#scheduled = false
    let more = true
    this.#connects = 0
    this.#forListener = false
    for (let pulls = 0; more && !this.#forListener && pulls < pullsPerTurn; pulls++)
      more = this.#pull(pulls === 0, pulls === 0 ? microseconds : undefined)
    this.#inTurn = false
    this.#flushQueue.endTurn()
    if (more) this.schedulePoll()
    else if (this.#rings) void settled.then(this.#rearm)
  }

  /**
   * Lets the doorbell ring again, unless busy polling goes on anyway. Runs in a microtask; otherwise Deno may run a second turn before
   * promises from the first settle.
   */
  readonly #rearm = (): void => {
    // A doorbell that cannot be armed never rings again.
    if (this.#rings && !this.#busyPolling.isAwake && this.raw.arm() < 0) this.schedulePoll()
  }

  #pull(isFirst: boolean, microseconds: number | undefined): boolean {
    this.#again = false
    const polled = microseconds === undefined ? this.raw.pollRest() : this.raw.poll(microseconds)
    if (polled < 0) {
      if (polled === INTERNAL) this.#failAll()
      else this.#uncaught(systemError(polled, 'poll'))
      return this.#again
    }
    const ring = this.#ring
    const count = polled % MORE
    this.#forListener = isFirst && count === 1 && ring[INTEGERS_PER_EVENT + 1] === Kind.acceptable
    this.#pulled = count
    for (this.#dispatched = 1; this.#dispatched <= count; this.#dispatched++) {
      const place = this.#dispatched * INTEGERS_PER_EVENT
      try {
        this.#dispatch(ring[place]!, ring[place + 1]!, ring[place + 2]!, ring[place + 3]!)
      } catch (error) {
        this.#uncaught(error)
      }
    }
    this.#pulled = 0
    return polled >= MORE || this.#again
  }

  /** Makes the next event the current one if it is another record of the same socket. Many share an async scope so: see the benchmark seqpacket. */
  nextRecord(): boolean {
    if (this.#dispatched >= this.#pulled) return false
    const ring = this.#ring
    const place = (this.#dispatched + 1) * INTEGERS_PER_EVENT
    if (ring[place + 1] !== Kind.record || ring[place] !== ring[place - INTEGERS_PER_EVENT]) return false
    this.#dispatched++
    return true
  }

  /** The current event's. */
  get value(): number {
    return this.#ring[this.#dispatched * INTEGERS_PER_EVENT + 2]!
  }

  get detail(): number {
    return this.#ring[this.#dispatched * INTEGERS_PER_EVENT + 3]!
  }

  /** Whether bytes, an end or an error of the connection wait: in the kernel, or in this turn's ring. */
  hasInput(id: number): boolean {
    for (let index = this.#dispatched + 1; index <= this.#pulled; index++)
      if (
        this.#ring[index * INTEGERS_PER_EVENT] === slotOf(id) &&
        this.#ring[index * INTEGERS_PER_EVENT + 1] !== Kind.writable
      )
        return true
    return this.raw.hasInput(id) !== 0
  }

  /** Fails every socket: the reactor has lost events of unknown sockets, and each of them might wait forever. */
  #failAll(): void {
    for (const handler of this.#handlers.slice()) {
      try {
        handler?.[onEvent](Kind.error, INTERNAL, 0)
      } catch (error) {
        this.#uncaught(error)
      }
    }
  }

  #dispatch(subject: number, kind: number, value: number, detail: number): void {
    if (kind === Kind.completed) {
      this.requests.complete(subject, value < 0 ? value : (detail >>> 0) * SLOTS + value)
    } else if (kind === Kind.note) {
      this.requests.note(subject, value)
    } else {
      this.#handlers[subject]?.[onEvent](kind, value, detail)
    }
  }
}

let own: Engine | undefined

/**
 * Returns this environment's engine, and makes it at the first call. Throws ERR_UNSUPPORTED_PLATFORM, or a system error without descriptors
 * or memory for it; a later call tries again.
 */
export function engine(): Engine {
  return (own ??= new Engine())
}
