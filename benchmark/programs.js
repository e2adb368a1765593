// The programs at either end of a connection. A side of a comparison is named by its transport:
//   udsock, node:net              this Node.js
//   udsock@bun, node:net@deno     another runtime, where `npm run bench:peers` has put it
//   racket, c, c-polling          a program of its own, which speaks the same process channel
//   unix-dgram, framed-socket     for messages or descriptors alone; message-transport.js has all of them
//   udsock+node:net               mixed: the client's, then the server's
//   udsock (busyPoll 0)           without polling
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageTransportNames } from './message-transport.js'
import { Pattern } from './pattern.js'
import { transportNames } from './transport.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the C floor is built. */
export const floorFile = join(root, 'target', 'floor')

/** Microseconds for which the C floor polls, where it does. */
export const floorPatience = 60

const racketFile = join(root, 'benchmark', 'racket', 'peer.rkt')

/** The runtimes as npm calls them: always the newest release, whose version a result records. */
export const runtimeSpecifiers = { bun: 'bun@latest', deno: 'deno@latest' }

/** Where npm puts a runtime's program, once it is installed. */
const runtimeFile = name =>
  join(root, 'target', 'runtimes', runtimeSpecifiers[name], 'node_modules', '.bin', name)

const runtimes = {
  bun: () => [runtimeFile('bun')],
  deno: () => [runtimeFile('deno'), 'run', '--allow-all'],
}

/** What runs the ends that name no runtime. */
let usual = [process.execPath]

/** Runs the ends that name no runtime by `command`, a program and its arguments. */
export function runBy(command) {
  usual = command
}

const foreign = {
  c: () => [floorFile],
  'c-polling': () => [floorFile, `--poll=${floorPatience}`],
  racket: () => ['racket', racketFile],
}

/** Marks a side of ours that does not poll. */
export const sleepingMark = ' (busyPoll 0)'

/** Whether the program of a transport is not ours. */
export const isForeign = transport => transport in foreign

function endOf(name) {
  const sleeping = name.endsWith(sleepingMark)
  const [transport, runtime] = name.slice(0, sleeping ? -sleepingMark.length : undefined).split('@')
  const others = [...messageTransportNames, ...Object.keys(foreign)]
  const known = runtime === undefined ? [...transportNames, ...others] : transportNames
  if (!known.includes(transport) || (runtime !== undefined && !(runtime in runtimes))) {
    const list = [...transportNames, ...others].join(', ')
    throw new Error(
      `nothing is called '${name}' (there are: ${list}; of the first two also @${Object.keys(runtimes).join(', @')})`,
    )
  }
  return sleeping ? { transport, runtime, sleeping } : { transport, runtime }
}

/** Parses a side's name into { client, server }, each { transport, runtime, sleeping }. Throws at an unknown name. */
export function sideOf(name) {
  const [client, server = client, ...more] = name.split('+')
  if (more.length > 0) throw new Error(`a side has two ends: '${name}'`)
  return { client: endOf(client), server: endOf(server) }
}

/** The pattern as a file, for programs that cannot make it. */
function patternFile({ size, slices }, directory) {
  const file = join(directory, `pattern-${size}-${slices}`)
  if (!existsSync(file)) writeFileSync(file, new Pattern(size, slices).data)
  return file
}

/** The command line of one end, 'server' or 'client'. Files that it needs are put into `directory`. */
export function programOf(end, spec, directory) {
  const { transport, runtime, workload, address, bytes, backlog = 511, count = 0, seconds = 0 } = spec
  if (transport in foreign) {
    const [size, slices, file] = bytes
      ? [bytes.size, bytes.slices, patternFile(bytes, directory)]
      : [0, 0, '-']
    return [
      ...foreign[transport](),
      ...[end, workload, address, file, size, slices, backlog, count, seconds].map(String),
    ]
  }
  const file = fileURLToPath(new URL(`${end}.js`, import.meta.url))
  return [...(runtime ? runtimes[runtime]() : usual), file, JSON.stringify(spec)]
}
