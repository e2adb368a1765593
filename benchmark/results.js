// The files of saved results, one for each runtime, day and machine: node-26.2026-12-01.3f2a91.json, and node-26-cold for the
// cold form. A later run of the day on that machine takes the place of an earlier one, or of its rows.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const pattern = /^((?:node|peers|messages)-\d+|bun|deno)(-cold)?\.(\d{4}-\d\d-\d\d)\.([0-9a-f]{6})\.json$/

/** Six digits that stand for a kind of machine. */
export function machineOf({ cpu, cpus, kernel }) {
  return createHash('sha256').update(`${cpu}\n${cpus}\n${kernel}`).digest('hex').slice(0, 6)
}

/** What a file is about: `node-26`, `bun`, `peers-26`, `messages-26`, each also with `-cold`. */
function kindOf({ runtime }, { peers, messages, cold }) {
  const major = runtime.version.split('.')[0]
  const compared = messages ? 'messages' : peers ? 'peers' : 'node'
  const name = runtime.name === 'Node.js' ? `${compared}-${major}` : runtime.name.toLowerCase()
  return cold ? `${name}-cold` : name
}

/** Orders results against node:net first, the newest Node.js first, warm before cold, then by day. */
function rank({ kind, cold }) {
  const [name, major = 0] = kind.split('-')
  return ['node', 'bun', 'deno', 'peers', 'messages'].indexOf(name) * 1000 - Number(major) + (cold ? 0.5 : 0)
}

/** Reads all results of a directory: [{ kind, cold, day, machine, results }]. */
export function savedIn(directory) {
  if (!existsSync(directory)) return []
  const found = readdirSync(directory).flatMap(file => {
    const [, kind, cold, day, machine] = pattern.exec(file) ?? []
    if (kind === undefined) return []
    const results = JSON.parse(readFileSync(join(directory, file), 'utf8'))
    return [{ kind, cold: cold !== undefined, day, machine, results }]
  })
  return found.toSorted((a, b) => rank(a) - rank(b) || (a.day < b.day ? -1 : Number(a.day > b.day)))
}

const keyOf = ({ workload, placement, pair }) => [workload, placement, ...pair].join('\n')

/** The earlier results with the later rows in their places, or at the end. Throws if they are of different code. */
function merged(earlier, later) {
  if (earlier.environment.code !== later.environment.code)
    throw new Error('the saved results of this day are of other code: save a whole run')
  const rows = new Map(earlier.rows.map(row => [keyOf(row), row]))
  for (const row of later.rows) rows.set(keyOf(row), row)
  const peers = { ...earlier.environment.peers, ...later.environment.peers }
  const environment = { ...later.environment, ...(Object.keys(peers).length > 0 && { peers }) }
  const isOpen = ({ id, placement }) =>
    !later.rows.some(row => row.workload === id && row.placement === placement)
  const skipped = new Map(
    [...earlier.skipped.filter(isOpen), ...later.skipped].map(row => [`${row.id} ${row.placement}`, row]),
  )
  return { ...later, environment, rows: [...rows.values()], skipped: [...skipped.values()] }
}

/** Rounds to six digits: no figure is more exact. */
const short = (_, value) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value

/** JSON with a line for each row. */
export function asText({ rows, ...rest }) {
  const head = JSON.stringify(rest, short, 1).slice(0, -2)
  const lines = rows.map(row => `  ${JSON.stringify(row, short)}`)
  return `${head},\n "rows": [\n${lines.join(',\n')}\n ]\n}\n`
}

/** Saves results, those of `partial` runs into the file of the same day. Returns the file's path. */
export function save(directory, results, { peers, messages, cold, partial, day }) {
  const { environment } = results
  const file = join(
    directory,
    `${kindOf(environment, { peers, messages, cold })}.${day}.${machineOf(environment)}.json`,
  )
  mkdirSync(directory, { recursive: true })
  const whole =
    partial && existsSync(file) ? merged(JSON.parse(readFileSync(file, 'utf8')), results) : results
  writeFileSync(file, asText(whole))
  return file
}
