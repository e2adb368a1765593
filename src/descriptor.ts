/**
 * `Descriptor`: an open file descriptor with one owner. The addon holds the descriptor itself, so that it is also closed when its thread ends.
 */
import { constants } from 'node:os'
import { inspect } from 'node:util'
import { hasBrand } from './internal/brand.js'
import { builtin } from './internal/builtins.js'
import { engine } from './internal/engine.js'
import { atCaller, illegalConstructor, invalidState, systemError } from './internal/errors.js'
import { takeDescriptor } from './internal/hooks.js'
import { descriptorKinds } from './internal/native.js'
import { validateInteger } from './internal/validation.js'

const brand = Symbol.for('udsock.Descriptor')
const hasOwner = 'a Descriptor or a socket of this package owns it already'
const largestNumber = 2 ** 31 - 1

export type DescriptorKind = 'file' | 'directory' | 'pipe' | 'socket' | 'character' | 'block' | 'other'

/** @internal The descriptor as the addon holds it. */
export interface Held {
  readonly id: number
  readonly fd: number
}

/** Allows the constructor to be called. */
const permit = Symbol('permit')
const register = Symbol('register')
const settled = Promise.resolve()
let hasWarned = false

/** @internal Returns whether `value` is a Descriptor of any copy of this package. Never throws. */
export function isDescriptor(value: unknown): value is Descriptor {
  return hasBrand(value, brand)
}

/** @internal Returns the Descriptor of a descriptor that the addon holds. */
export function descriptorOf(held: Held): Descriptor {
  return new Descriptor(permit, held)
}

/** Has the addon hold `fd`, or a duplicate of it. */
function hold(fd: number, isDuplicate: boolean): Held {
  validateInteger('fd', fd, 0, largestNumber)
  const { driver } = engine()
  const id = isDuplicate ? driver.duplicateDescriptor(fd) : driver.holdDescriptor(fd)
  if (id < 0) throw systemError(id, 'fcntl', `fd ${fd}`, id === -constants.errno.EBUSY ? hasOwner : undefined)
  return { id, fd: isDuplicate ? driver.descriptorNumber(id) : fd }
}

/** Closes what is collected unclosed. */
const collected = new FinalizationRegistry<Held>(({ id, fd }) => {
  const own = engine()
  const kind = descriptorKinds[own.driver.descriptorKind(id)]
  if (own.raw.closeDescriptor(id) < 0 || hasWarned) return
  hasWarned = true
  process.emitWarning(`A Descriptor (fd ${fd}, ${kind}) was garbage-collected before it was closed`, {
    code: 'UDSOCK_DESCRIPTOR_COLLECTED',
    detail: 'Call close(), or declare it with `using`. Further ones are closed without a warning.',
  })
})

/** Descriptors of this tick, which are registered after it: most that arrive are closed or sent on at once. See the benchmark descriptors. */
let fresh: Descriptor[] = []

function registerLater(descriptor: Descriptor): void {
  if (fresh.push(descriptor) === 1) void settled.then(registerFresh)
}

function registerFresh(): void {
  const descriptors = fresh
  fresh = []
  for (const descriptor of descriptors) descriptor[register]()
}

/**
 * Owns a file descriptor, of a file, a pipe, a socket or anything else. It is close-on-exec.
 *
 * `close()` or `using` closes it. A Descriptor that is garbage-collected while it is open is closed, too, and the process emits the warning
 * UDSOCK_DESCRIPTOR_COLLECTED, once. Another thread makes the system call, because a close may wait for a file server or for a lingering socket.
 *
 * It cannot be cloned: `structuredClone()` and `postMessage()` throw a DataCloneError (Node.js 22.10 or later). Another thread of the process takes
 * the number that `release()` returns.
 */
export class Descriptor {
  readonly #held: Held
  #kind: DescriptorKind | undefined
  #isOpen = true
  #isRegistered = false

  /** @internal */
  constructor(key: symbol, held: Held) {
    if (key !== permit)
      throw illegalConstructor(Descriptor, 'Descriptor', 'Descriptor.from() or Descriptor.duplicate()')
    this.#held = held
    // A clone would be an object without a descriptor.
    builtin('node:worker_threads').markAsUncloneable?.(this)
    registerLater(this)
  }

  /** @internal Has the descriptor closed when this object is collected. */
  [register](): void {
    if (!this.#isOpen) return
    this.#isRegistered = true
    collected.register(this, this.#held, this)
  }

  /**
   * Takes ownership of `fd`, and makes it close-on-exec. From now on nothing else may close it.
   *
   * Throws ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, a system error (EBADF: it is not open; EBUSY: a Descriptor or a socket of this package owns it
   * already), and ERR_UNSUPPORTED_PLATFORM.
   */
  static from(fd: number): Descriptor {
    try {
      return descriptorOf(hold(fd, false))
    } catch (error) {
      throw atCaller(error, Descriptor.from)
    }
  }

  /** Owns a duplicate of `fd`, which stays the caller's. Throws as `from()` does, and EMFILE. */
  static duplicate(fd: number): Descriptor {
    try {
      return descriptorOf(hold(fd, true))
    } catch (error) {
      throw atCaller(error, Descriptor.duplicate)
    }
  }

  /** @internal */
  get [brand](): true {
    return true
  }

  /** The number, or -1 after `close()`, after `release()`, and after the descriptor was sent. */
  get fd(): number {
    return this.#isOpen ? this.#held.fd : -1
  }

  /**
   * The kind of file that the descriptor refers to; 'other' for an object without a file type, such as an epoll object. Throws ERR_INVALID_STATE
   * if it is first read after `close()` or `release()`.
   */
  get kind(): DescriptorKind {
    if (this.#kind === undefined) {
      this.#check()
      const kind = engine().driver.descriptorKind(this.#held.id)
      if (kind < 0) throw systemError(kind, 'fstat')
      this.#kind = descriptorKinds[kind]
    }
    return this.#kind!
  }

  /** Gives up ownership and returns the number, which the caller has to close. Throws ERR_INVALID_STATE if the descriptor is closed. */
  release(): number {
    this.#check()
    this[takeDescriptor]()
    const fd = engine().driver.releaseDescriptor(this.#held.id)
    if (fd < 0) throw systemError(fd, 'release')
    return fd
  }

  /** Closes the descriptor. Further calls do nothing. */
  close(): void {
    if (!this.#isOpen) return
    engine().raw.closeDescriptor(this[takeDescriptor]())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal Ends this object's ownership, and returns the id by which the addon holds the descriptor. */
  [takeDescriptor](): number {
    this.#isOpen = false
    if (this.#isRegistered) collected.unregister(this)
    return this.#held.id
  }

  #check(): void {
    if (!this.#isOpen) throw invalidState('The Descriptor is closed, released or sent')
  }

  [inspect.custom](): string {
    return this.#isOpen ? `Descriptor { fd: ${this.fd}, kind: '${this.kind}' }` : 'Descriptor { closed }'
  }
}
