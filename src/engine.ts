import { Buffer } from 'node:buffer'
import { BusyPolling } from './busy-polling.js'
import { binding, MORE, type RawFunctions, type Reactor } from './binding.js'
import { INTERNAL, systemError } from './errors.js'

/** The kinds of events that the ring holds: EventKind of the crate udsock-reactor. */
export const Kind = {
  data: 0,
  end: 1,
  error: 2,
  bulk: 3,
  writable: 4,
  acceptable: 5,
  completed: 6,
  note: 7,
} as const

/** What the control plane has to say of a listener after it is made: Note of the crate udsock-node. */
export const Note = {
  fileRemoved: 0,
  pathLost: 1,
  superseded: 2,
} as const

/** What stands behind an id: a socket or a listener. */
export interface Endpoint {
  /** `value`: bytes for data, the negative errno for an error. `offset`: where the data is in the scratch memory. */
  onEvent(kind: number, value: number, offset: number): void
}

/** What gathers writes until the turn ends. */
export interface Writer {
  /** Sends; runs nobody's code. */
  send(): void
  /** Sends, and calls back. */
  flush(): void
}

/** Events that one pull brings at most: SMALLEST_RING of the crate udsock-reactor and more. */
const ringPlaces = 1024
const integersPerEvent = 4
const scratchLength = 512 * 1024
/**
 * Bytes up to which V8 keeps a new typed array's memory in its own heap, as long as nobody asks for its `buffer`: a sixth of
 * the price of an ArrayBuffer. Source: V8's typed_array_max_size_in_heap.
 */
const lengthInHeap = 64
/** Pulls before timers and everybody else have their turn again. */
const pullsPerTurn = 16
/** Writers that are flushed again in one go before everybody else has their turn: one whose peer keeps up writes for ever. */
const reflushesPerTurn = 64
/** Connections that are made at once before the event loop has its turn. */
const breathsPerTurn = 64
/** Sockets with gathered writes before they are sent, though not called back, without waiting for the turn's end. */
const dirtyLimit = 256
/** Id = generation * 2^21 + slot: the crate's Id::bits. */
const slots = 2 ** 21
/** The id of a socket that has no connection yet. */
export const unconnected = -1

/** Work that the control plane has been given. */
interface Request {
  /** Until it is answered. */
  done: ((idOrErrno: number) => void) | undefined
  /** For work that goes on after the answer. */
  readonly note: ((note: number) => void) | undefined
}

const settled = Promise.resolve()

/**
 * One per JavaScript environment: takes the reactor's events, hands them to sockets, sends what they wrote.
 *
 * A *turn* is one pass over everything that is ready. Writes made in it leave at its end, or sooner when a socket has
 * gathered much; writes made outside leave with the microtasks. The ring and the scratch memory never leave this class.
 */
export class Engine {
  readonly raw: RawFunctions
  readonly reactor: Reactor
  readonly #ring: Int32Array
  readonly #scratch: Buffer
  readonly #uncaught: (error: unknown) => void
  readonly #rings: boolean
  /** By slot. */
  readonly #endpoints: (Endpoint | undefined)[] = []
  readonly #requests = new Map<number, Request>()
  #lastRequest = 0
  #lastPeer = { uid: 0, gid: 0, pid: 0 }
  readonly #dirty: (Writer | undefined)[] = []
  #dirtyCount = 0
  #postponed = false
  /** Writers have had enough; the event loop is next. */
  #sated = false
  readonly #busyPolling = new BusyPolling(
    microseconds => this.#run(microseconds),
    () => this.#rearm(),
  )
  #holds = 0
  #inTurn = false
  /** No turn and no microtask will come. */
  #exiting = false
  #forListener = false
  #breaths = 0
  #again = false
  #scheduled = false

  constructor() {
    const { Reactor: NativeReactor, uncaught } = binding()
    const memory = new ArrayBuffer((1 + ringPlaces) * integersPerEvent * 4)
    this.#ring = new Int32Array(memory)
    this.#scratch = Buffer.allocUnsafeSlow(scratchLength)
    this.#uncaught = uncaught
    try {
      this.reactor = new NativeReactor(this.#turn, new Uint8Array(memory), this.#scratch, wantsDoorbell())
    } catch (error) {
      throw startError(error as Error & { code: string })
    }
    this.raw = this.reactor.functions() as RawFunctions
    this.#rings = this.reactor.waker === 'doorbell'
    // What was written is on its way also when a callback ends the process.
    process.on('exit', () => {
      this.#exiting = true
      for (const writer of this.#dirty) writer?.send()
      this.reactor.removeFiles()
    })
  }

  /** Delivers the id's events to `endpoint` from now on. */
  attach(id: number, endpoint: Endpoint): void {
    this.#endpoints[id % slots] = endpoint
  }

  /** Closes the id's descriptor; no event of it is delivered any more. */
  close(id: number): void {
    this.#endpoints[id % slots] = undefined
    let answer = this.raw.close(id)
    // Nobody else will close it.
    if (answer === INTERNAL) answer = this.raw.close(id)
    if (answer === 1) this.soon()
  }

  /** Flushes `writer` at the end of the turn, or outside one with the microtasks. */
  dirty(writer: Writer): void {
    const count = ++this.#dirtyCount
    this.#dirty[count - 1] = writer
    if (this.#exiting) writer.send()
    else if (count % dirtyLimit === 0)
      for (let index = count - dirtyLimit; index < count; index++) this.#dirty[index]?.send()
    if (count === 1 && !this.#inTurn) void settled.then(this.#flush)
  }

  /** Has this turn's writers flushed with the microtasks, after the ticks of the turn. */
  postpone(): void {
    this.#postponed = true
  }

  /** Has the engine poll for so many microseconds before it sleeps; `heard`: because something arrived. */
  expect(microseconds: number, heard: boolean): void {
    this.#busyPolling.expect(microseconds, heard)
  }

  /** Keeps the process alive until `release()`. */
  hold(): void {
    if (this.#holds++ === 0) this.reactor.keepAlive(true)
  }

  release(): void {
    if (--this.#holds === 0) this.reactor.keepAlive(false)
  }

  /** Is all that this turn has to do to wake one listener? */
  get isForListener(): boolean {
    return this.#forListener
  }

  /** Something to wait for, if this has been asked often since the event loop last had its turn. */
  breath(): Promise<void> | undefined {
    if (++this.#breaths < breathsPerTurn) return undefined
    return new Promise(resolve => {
      setImmediate(() => {
        this.#breaths = 0
        resolve()
      })
    })
  }

  /** Polls once more before the event loop sleeps: for what no edge will tell. */
  soon(): void {
    if (this.#inTurn) {
      this.#again = true
    } else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(this.#turn)
    }
  }

  /**
   * Hands work to the control plane. `start` gets the request's number and returns 0 or a negative errno; `done` gets an
   * id or a negative errno, later and once, unless the request is forgotten. Returns the number, or the negative errno.
   *
   * With `note`, a request that brought an id goes on until it is forgotten, and `note` gets the news of it.
   */
  request(
    start: (request: number) => number,
    done: (idOrErrno: number) => void,
    note?: (note: number) => void,
  ): number {
    do this.#lastRequest = (this.#lastRequest + 1) % 2 ** 31
    while (this.#requests.has(this.#lastRequest))
    const request = this.#lastRequest
    const errno = start(request)
    if (errno < 0) return errno
    this.#requests.set(request, { done, note })
    this.hold()
    return request
  }

  /** Gives a request up; what it still brings is closed. */
  forget(request: number): void {
    const forgotten = this.#requests.get(request)
    if (forgotten === undefined) return
    this.#requests.delete(request)
    this.reactor.forget(request)
    if (forgotten.done !== undefined) this.release()
  }

  #complete(number: number, idOrErrno: number): void {
    const request = this.#requests.get(number)
    const done = request?.done
    if (request === undefined || request.note === undefined || idOrErrno < 0) {
      this.forget(number)
    } else {
      request.done = undefined
      this.release()
    }
    if (done !== undefined) done(idOrErrno)
    else if (idOrErrno >= 0) this.close(idOrErrno)
  }

  /** A copy of bytes in the scratch memory, which its reader owns. */
  chunk(offset: number, length: number): Buffer {
    if (length <= lengthInHeap) {
      const chunk = Buffer.alloc(length)
      // Copied by `set` or `copy`, it would get memory outside after all.
      for (let index = 0; index < length; index++) chunk[index] = this.#scratch[offset + index]!
      return chunk
    }
    const chunk = Buffer.allocUnsafeSlow(length)
    this.#scratch.copy(chunk, 0, offset, offset + length)
    return chunk
  }

  /** The credentials of a connection's peer. */
  peer(id: number): { uid: number; gid: number; pid: number } | number {
    const errno = this.raw.peer(id)
    if (errno < 0) return errno
    const uid = this.#ring[0]! >>> 0
    const gid = this.#ring[1]! >>> 0
    const pid = this.#ring[2]!
    const last = this.#lastPeer
    // Connections of one client, which may be many, share what they know of it.
    if (last.uid === uid && last.gid === gid && last.pid === pid) return last
    return (this.#lastPeer = { uid, gid, pid })
  }

  readonly #turn = (): void => this.#run(0)

  /** One turn; with `microseconds`, for something to do is waited for so long, without a sleep. */
  #run(microseconds: number): void {
    if (this.#inTurn) return
    this.#inTurn = true
    this.#scheduled = false
    let more = true
    this.#breaths = 0
    this.#forListener = false
    for (let pulls = 0; more && !this.#forListener && pulls < pullsPerTurn; pulls++)
      more = this.#pull(pulls === 0, pulls === 0 ? microseconds : 0)
    this.#inTurn = false
    if (this.#postponed) void settled.then(this.#flush)
    else this.#flush()
    if (more) this.soon()
    else if (this.#rings) void settled.then(this.#rearm)
  }

  /**
   * Everything was seen: the doorbell may ring again, unless somebody is going to look anyway. With the microtasks: Deno
   * takes the next ring before it runs them, and two turns would be one to promises.
   */
  readonly #rearm = (): void => {
    // A doorbell that is not armed never rings again.
    if (this.#rings && !this.#busyPolling.isAwake && this.raw.arm() < 0) this.soon()
  }

  #pull(isFirst: boolean, microseconds: number): boolean {
    this.#again = false
    const polled = this.raw.poll(microseconds)
    if (polled < 0) {
      if (polled === INTERNAL) this.#failAll()
      else this.#uncaught(systemError(polled, 'poll'))
      return this.#again
    }
    const ring = this.#ring
    const count = polled % MORE
    this.#forListener = isFirst && count === 1 && ring[integersPerEvent + 1] === Kind.acceptable
    for (let index = 1; index <= count; index++) {
      const place = index * integersPerEvent
      try {
        this.#dispatch(ring[place]!, ring[place + 1]!, ring[place + 2]!, ring[place + 3]!)
      } catch (error) {
        this.#uncaught(error)
      }
    }
    return polled >= MORE || this.#again
  }

  /** The reactor has lost events, and nobody knows whose: who goes on waiting might wait for ever. */
  #failAll(): void {
    for (const endpoint of this.#endpoints.slice()) {
      try {
        endpoint?.onEvent(Kind.error, INTERNAL, 0)
      } catch (error) {
        this.#uncaught(error)
      }
    }
  }

  #dispatch(subject: number, kind: number, value: number, detail: number): void {
    if (kind === Kind.completed) {
      this.#complete(subject, value < 0 ? value : (detail >>> 0) * slots + value)
    } else if (kind === Kind.note) {
      this.#requests.get(subject)?.note?.(value)
    } else {
      this.#endpoints[subject]?.onEvent(kind, value, detail)
    }
  }

  readonly #flush = (): void => {
    this.#postponed = false
    if (this.#sated) return
    const dirty = this.#dirty
    const most = this.#dirtyCount + reflushesPerTurn
    // Also those that become dirty meanwhile. The array is kept: growing a new one each turn shows in ping.
    let index = 0
    for (; index < this.#dirtyCount && index < most; index++) {
      const writer = dirty[index]
      dirty[index] = undefined
      try {
        writer?.flush()
      } catch (error) {
        this.#uncaught(error)
      }
    }
    const left = this.#dirtyCount - index
    if (left > 0) {
      dirty.copyWithin(0, index, this.#dirtyCount).fill(undefined, left, this.#dirtyCount)
      this.#sated = true
      setImmediate(this.#flushOn)
    }
    this.#dirtyCount = left
  }

  readonly #flushOn = (): void => {
    this.#sated = false
    this.#flush()
  }
}

/** libuv is Node's; other runtimes report a Node version too, and lack it. */
function wantsDoorbell(): boolean {
  const { bun, deno, uv } = process.versions
  return (
    process.env['UDSOCK_WAKER'] === 'doorbell' || bun !== undefined || deno !== undefined || uv === undefined
  )
}

/** Why there is no reactor: the addon says the errno as the error's code. */
function startError(error: Error & { code: string }): Error {
  const errno = Number(error.code)
  return errno > 0 ? systemError(-errno, 'start', undefined, error.message) : error
}

let own: Engine | undefined

/** This environment's engine, made at first use. Throws ERR_UNSUPPORTED_PLATFORM, and a system error when descriptors or memory for it are lacking; a later call tries again. */
export function engine(): Engine {
  return (own ??= new Engine())
}
