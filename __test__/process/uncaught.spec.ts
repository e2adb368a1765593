import { spawn } from 'node:child_process'
import { once as emitted } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { everyPlace, type Place, places } from '../helpers/sockets.js'
import { argument } from '../helpers/streams.js'

interface Report {
  /** Messages of the uncaught exceptions, in order. */
  uncaught: string[]
  /** The answers of the connections that threw nothing. */
  echoes: string[]
  [detail: string]: unknown
}

/** Runs a program of __test__/programs, which reports in JSON on its last line. */
async function reported(t: ExecutionContext, place: Place, name: string, what: string): Promise<Report> {
  const path = places[place](t)
  const address = argument(path)
  const program = join(import.meta.dirname, '../programs', name)
  const child = spawn(process.execPath, [program, address, what], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = emitted(child, 'close')
  const said = await text(child.stdout)
  t.deepEqual(await exited, [0, null], `${what}: ${said}`)
  return JSON.parse(said.trim().split('\n').at(-1)!) as Report
}

const others = ['echo 1', 'echo 2', 'echo 3', 'echo 4']

/** The kinds of callback, and how often the program makes each throw. */
const callbacks = {
  data: 1,
  end: 1,
  readable: 1,
  drain: 1,
  finish: 1,
  close: 1,
  error: 1,
  timeout: 1,
  'write callback': 1,
  'write callback before end()': 1,
  'large write callback': 1,
  'end callback': 1,
  'failed write callback': 1,
  'setTimeout callback': 1,
  'listener close': 1,
} as const

for (const place of everyPlace) {
  for (const [what, times] of Object.entries(callbacks)) {
    test.serial(
      `a throw in '${what}' is an uncaught exception, and the other connections go on (${place})`,
      async t => {
        t.timeout(60_000)
        const report = await reported(t, place, 'uncaught-callback.js', what)
        t.deepEqual(report, { uncaught: Array.from({ length: times }, () => what), echoes: others })
      },
    )
  }

  for (const what of ['data', 'end', 'writable'] as const) {
    test.serial(`throws in every '${what}' of a turn lose none of its events (${place})`, async t => {
      t.timeout(60_000)
      const report = await reported(t, place, 'uncaught-turn.js', what)
      const sockets = Array.from({ length: 20 }, (_, number) => `${what} ${number}`)
      t.deepEqual(report.uncaught.toSorted(), sockets.toSorted())
      t.deepEqual(report['events'], report.uncaught)
      if (what === 'data') t.is(report['inFirstTurn'], 20, 'all of it is one turn')
      t.deepEqual(report['contexts'], report.uncaught, 'each in its own context')
      t.deepEqual(
        report.echoes,
        Array.from({ length: 20 }, (_, number) => `echo ${number}`),
      )
    })
  }

  test.serial(`a throw in a socket's 'data' keeps that socket's later bytes (${place})`, async t => {
    t.timeout(60_000)
    const report = await reported(t, place, 'uncaught-turn.js', 'repeated data')
    t.is(report.uncaught.length, 50)
    t.is(report['received'], Array.from({ length: 50 }, (_, number) => `part ${number};`).join(''))
    t.true(report['ended'])
    t.deepEqual(report.echoes, [])
  })

  test.serial(`without a handler a throw in 'data' ends the process with code 1 (${place})`, async t => {
    t.timeout(60_000)
    const endsOne = async (): Promise<void> => {
      const path = places[place](t)
      const address = argument(path)
      const program = join(import.meta.dirname, '../programs', 'uncaught-fatal.js')
      const child = spawn(process.execPath, [program, address], { stdio: ['ignore', 'pipe', 'pipe'] })
      t.teardown(() => child.kill('SIGKILL'))
      const exited = emitted(child, 'close')
      const [said, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
      t.deepEqual(await exited, [1, null])
      t.is(said, 'throwing\n')
      const told = stripVTControlCharacters(complaint)
      t.regex(told, /error: nobody catches this/i)
      t.regex(told, /uncaught-fatal\.js:/)
    }
    // Side by side: the event loop, when it has much to do, must not report something else in place of the error.
    await Promise.all(Array.from({ length: 5 }, endsOne))
  })
}
