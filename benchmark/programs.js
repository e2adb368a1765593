// What runs at either end of a connection. A side of a comparison is named by its transport:
//   udsock, node:net              this Node.js
//   udsock@bun, node:net@deno     another runtime, where `npm run bench:peers` has put it
//   racket, c                     a program of its own, which speaks the same process channel
//   udsock+node:net               mixed: the client's, then the server's
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pattern } from './pattern.js'
import { transportNames } from './transport.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Where the C floor is built. */
export const floorFile = join(root, 'target', 'floor')

const racketFile = join(root, 'benchmark', 'racket', 'peer.rkt')

/** Where npm puts a runtime's program, once it is installed. */
export const runtimeFile = name => join(root, 'target', 'runtimes', name, 'node_modules', '.bin', name)

const runtimes = {
  bun: () => [runtimeFile('bun')],
  deno: () => [runtimeFile('deno'), 'run', '--allow-all'],
}

const foreign = {
  c: () => [floorFile],
  racket: () => ['racket', racketFile],
}

function endOf(name) {
  const [transport, runtime] = name.split('@')
  const known = runtime === undefined ? [...transportNames, ...Object.keys(foreign)] : transportNames
  if (!known.includes(transport) || (runtime !== undefined && !(runtime in runtimes))) {
    const list = [...transportNames, ...Object.keys(foreign)].join(', ')
    throw new Error(
      `nothing is called '${name}' (there are: ${list}; of the first two also @${Object.keys(runtimes).join(', @')})`,
    )
  }
  return { transport, runtime }
}

/** What a side's name stands for: { client, server }, each { transport, runtime }. Throws at an unknown name. */
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
  return [...(runtime ? runtimes[runtime]() : [process.execPath]), file, JSON.stringify(spec)]
}
