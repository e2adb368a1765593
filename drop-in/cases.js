// What the programs of this folder are written in: cases that return what they saw, as a line of JSON each.
// The harness runs a program once over node:net and once over udsock/net, and compares the lines.
import { mkdtempSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

/** The beginning of a line of results; libraries print other lines. */
export const mark = '\u0001case '

const deadline = Number(process.env.UDSOCK_DROP_IN_DEADLINE ?? 15_000)
// Libraries under test may replace or mock these.
const { setTimeout, clearTimeout, setImmediate } = globalThis

let current

/** One run of a case: its directory, what it noted, what it has to close. */
class Run {
  directory = mkdtempSync(join(tmpdir(), 'udc-'))
  notes = []
  /** What each emitter did; two emitters' events may interleave in any way. */
  tracks = {}
  #ends = []
  #names = 0

  /** A path where no socket is. */
  path() {
    return join(this.directory, `s${this.#names++ || ''}`)
  }

  /** Adds to what the case saw. */
  note(...what) {
    this.notes.push(this.#line(what))
  }

  /** Adds to what one emitter did, in its own track. */
  track(name, ...what) {
    const track = (this.tracks[name] ??= [])
    track.push(this.#line(what))
  }

  /** Tracks an emitter's events, with their arguments where `withArguments` is true. */
  follow(name, emitter, events, withArguments = false) {
    for (const event of events)
      emitter.on(event, (...args) =>
        this.track(name, event, ...(withArguments || event === 'error' ? args : [])),
      )
    return emitter
  }

  #line(what) {
    return what.map(value => this.#describe(value)).join(' ')
  }

  /** Calls `end` after the case. */
  defer(end) {
    this.#ends.push(end)
  }

  /** Closes a server and destroys its connections, or destroys a stream, after the case. */
  keep(what) {
    what.on?.('error', () => {})
    if (typeof what.listen === 'function') {
      const sockets = new Set()
      what.on('connection', socket => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      this.defer(() => {
        what.close(() => {})
        for (const socket of sockets) socket.destroy()
      })
    } else this.defer(() => what.destroy())
    return what
  }

  #describe(value) {
    if (value instanceof Error) return this.textOf(value)
    if (typeof value === 'string') return this.#clean(value)
    return this.#clean(inspect(value, { breakLength: Infinity, depth: 4 }))
  }

  /** An error's name and code, and its message, unless the code is Node's, whose messages differ between versions. */
  textOf(error) {
    const { name, code, message } = error
    const parts = String(code).startsWith('ERR_') ? [name, code] : [name, code, message]
    return this.#clean(parts.filter(Boolean).join('|'))
  }

  #clean(line) {
    return line.replaceAll(this.directory, '<dir>')
  }

  value(value) {
    return value === undefined ? undefined : this.#describe(value)
  }

  async finish() {
    for (const end of this.#ends.toReversed()) {
      try {
        await end()
      } catch {
        // The case may have ended it already.
      }
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

process.on('uncaughtException', error => current?.note('uncaught', error))

const wanted = process.env.UDSOCK_DROP_IN_CASE

/** Runs the cases one after another; `body(run)` returns, or notes, what it saw. */
export async function cases(list) {
  for (const [title, body] of Object.entries(list)) {
    if (wanted !== undefined && title !== wanted) continue
    const run = (current = new Run())
    const outcome = {}
    let timer
    try {
      const late = new Promise((_, reject) => {
        timer = setTimeout(reject, deadline, new Error('the deadline has passed'))
      })
      outcome.value = run.value(await Promise.race([body(run), late]))
    } catch (error) {
      outcome.error = run.textOf(error)
    }
    clearTimeout(timer)
    report(title, { ...outcome, notes: run.notes.slice(), tracks: sorted(run.tracks) })
    // What follows from tearing the case down belongs to no case.
    current = undefined
    await run.finish()
    await turns(5)
  }
  reportEnd()
}

/** In the order of the names: which emitter came first is no matter. */
function sorted(tracks) {
  return Object.fromEntries(Object.entries(tracks).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}

function report(title, outcome) {
  writeSync(1, `${mark}${JSON.stringify({ title, outcome })}\n`)
}

/** Reports how the process ends, or what keeps it alive. */
function reportEnd() {
  const title = 'the process ends by itself'
  setTimeout(() => {
    report(title, { held: process.getActiveResourcesInfo() })
    process.reallyExit(1)
  }, 5_000).unref()
  process.on('exit', code => report(title, { code }))
}

/** Waits for an event, and returns its first argument; an 'error' rejects. */
export function once(emitter, event) {
  return new Promise((resolve, reject) => {
    const onError = error => {
      emitter.off(event, onEvent)
      reject(error)
    }
    const onEvent = value => {
      emitter.off('error', onError)
      resolve(value)
    }
    emitter.once(event, onEvent)
    if (event !== 'error') emitter.once('error', onError)
  })
}

/** Waits for an event, whatever errors come. */
export const happened = (emitter, event) => new Promise(resolve => emitter.once(event, resolve))

/** Waits until the event loop had `count` turns. */
export async function turns(count = 1) {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

export const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

/** All bytes of a stream, as text. */
export async function text(stream) {
  return (await bytes(stream)).toString()
}

/** All bytes of a stream. */
export function bytes(stream) {
  return new Promise((resolve, reject) => {
    const chunks = []
    stream.on('data', chunk => chunks.push(Buffer.from(chunk)))
    stream.on('error', reject)
    stream.on('end', () => resolve(Buffer.concat(chunks)))
    stream.on('close', () => reject(new Error(`closed after ${Buffer.concat(chunks).length} bytes`)))
  })
}
