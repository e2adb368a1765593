// What the README shows of saved results: Markdown and charts, made from the JSON alone.
import { chart, times } from './chart.js'
import { byPair, connectFailures, missed, origin, placeOf } from './report.js'
import { formatted } from './terminal.js'

const begin = '<!-- benchmark: made by `npm run bench:report` -->'
const end = '<!-- /benchmark -->'

/** `text` with `content` between the markers. Throws unless they are there, once and in order. */
export function withSection(text, content) {
  const [before, ...rest] = text.split(begin)
  const [old, after, ...more] = rest.join(begin).split(end)
  if (rest.length !== 1 || old.includes(begin) || after === undefined || more.length > 0)
    throw new Error(`the README wants one '${begin}' and one '${end}' behind it`)
  const lines =
    content === '' ? '' : `\n\n<!-- prettier-ignore-start -->\n\n${content}\n\n<!-- prettier-ignore-end -->\n`
  return `${before}${begin}${lines}\n${end}${after}`
}

const cell = text => text.replaceAll('|', '\\|')

function markdownTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map(row => row[column].length)))
  const line = row => `| ${row.map((text, column) => text.padEnd(widths[column])).join(' | ')} |`
  const [heading, ...body] = rows.map(row => row.map(cell))
  const rule = widths.map((width, column) => (column < 3 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(heading), line(rule), ...body.map(line)]
}

const ratioCell = ({ median, min, max }) => `**${times(median)}** (${times(min)} to ${times(max)})`

function rowsOf(row) {
  const what = [row.what, row.form].filter(Boolean).join('; ')
  if (row.figures.length === 0) return [[placeOf(row), what, 'failed', '', '', '', '']]
  return row.figures.map(({ name, unit, ours, peer, ratio }, i) => [
    i === 0 ? placeOf(row) : '',
    i === 0 ? what : '',
    `${name}, ${unit}`,
    formatted(ours.median),
    formatted(peer.median),
    ratioCell(ratio),
    i === 0 ? ratioCell(row.cpu.ratio) : '',
  ])
}

const foreign = { c: 'C', racket: 'racket/unix-socket' }

function endTitle(name) {
  const [transport, runtime] = name.split('@')
  const title = foreign[transport] ?? transport
  return runtime ? `${title} on ${runtime[0].toUpperCase()}${runtime.slice(1)}` : title
}

/** A side's name for people: a mixed one says which end is whose. */
export function titleOf(side) {
  const [client, server] = side.split('+')
  return server ? `${endTitle(client)} client with ${endTitle(server)} server` : endTitle(client)
}

const pairTitle = ([ours, peer]) => `${titleOf(ours)} against ${titleOf(peer)}`

function tableOf(rows) {
  const { pair } = rows[0]
  const [ours, peer] = pair.map(titleOf)
  const heading = ['workload', 'what', 'figure', ours, peer, 'ratio', 'CPU ratio']
  const lines = [`**${pairTitle(pair)}**`, '', ...markdownTable([heading, ...rows.flatMap(rowsOf)]), '']
  const failures = rows.flatMap(row =>
    connectFailures(row, ours, row.ours).concat(connectFailures(row, peer, row.peer)),
  )
  return failures.length === 0 ? lines : [...lines, ...failures.map(failure => `- ${failure}`), '']
}

/** The groups of a chart: `pick` takes a row's ratio. Rows that failed have none. */
function groupsOf(results, pick) {
  const pairs = byPair(results.rows.filter(row => row.figures.length > 0))
  return pairs.map(rows => ({
    name: pairs.length > 1 ? pairTitle(rows[0].pair) : '',
    entries: rows.map(row => ({ label: placeOf(row), ratio: pick(row) })),
  }))
}

const kinds = {
  node: { heading: major => `node:net on Node.js ${major}`, peer: 'node:net' },
  peers: { heading: major => `Others, beside Node.js ${major}`, peer: 'its peer' },
}

/** The charts of one results file called `name` (without .json): their contents by file name. */
export function chartsOf(name, results) {
  const [kind, major] = name.split('-')
  const { peer } = kinds[kind]
  const rounds = `medians of ${results.rounds} ${results.rounds === 1 ? 'round' : 'rounds'}, whiskers from the smallest to the largest round`
  const first = `udsock: how many times better than ${peer}, Node.js ${major}`
  const second = `udsock: how many times less CPU time than ${peer}, Node.js ${major}`
  return {
    [`${name}.svg`]: chart({
      title: first,
      subtitle: `rate, median latency, time or memory; ${rounds}`,
      groups: groupsOf(results, row => row.figures[0].ratio),
    }),
    [`${name}-cpu.svg`]: chart({
      title: second,
      subtitle: `user and system, both processes, per operation; ${rounds}`,
      groups: groupsOf(results, row => row.cpu.ratio),
    }),
  }
}

/** What the README says of `saved`, [{ name, results }], with charts in `directory`. */
export function section(saved, directory) {
  if (saved.length === 0) return ''
  const parts = saved.map(({ name, results }) => {
    const [kind, major] = name.split('-')
    const charts = Object.keys(chartsOf(name, results)).map(
      (file, i) => `![${i === 0 ? 'Ratios' : 'Ratios of CPU time'}, best first](${directory}/${file})`,
    )
    return [
      `### ${kinds[kind].heading(major)}`,
      '',
      `${origin(results)}.`,
      '',
      ...charts.flatMap(line => [line, '']),
      '<details><summary>The figures</summary>',
      '',
      ...byPair(results.rows).flatMap(tableOf),
      ...missed(results).flatMap(line => [`- ${line}`, '']),
      '</details>',
    ].join('\n')
  })
  const lead =
    'Ratios are those of one interleaved run, with the smallest and the largest round behind them; above 1 is better for udsock, also for latency, memory and CPU time.'
  return [lead, ...parts].join('\n\n')
}
