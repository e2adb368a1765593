// The part of docs/performance.md about saved results: Markdown and charts, made from the JSON alone.
import { chart, times } from './chart.js'
import { formatted } from './format.js'
import { isOfMessages, isOfPeers, titleOfKind } from './kinds.js'
import { markdownTable } from './markdown.js'
import { byPair, connectFailures, missed, origin, placeOf } from './report.js'
import { targetTables } from './target-table.js'

const begin = '<!-- benchmark: made by `npm run bench:report` -->'
const end = '<!-- /benchmark -->'

/** `text` with `content` between the markers. Throws unless they are there, once and in order. */
export function withSection(text, content) {
  const [before, ...rest] = text.split(begin)
  const [old, after, ...more] = rest.join(begin).split(end)
  if (rest.length !== 1 || old.includes(begin) || after === undefined || more.length > 0)
    throw new Error(`the page must have one '${begin}' and one '${end}' after it`)
  const lines =
    content === '' ? '' : `\n\n<!-- prettier-ignore-start -->\n\n${content}\n\n<!-- prettier-ignore-end -->\n`
  return `${before}${begin}${lines}\n${end}${after}`
}

const ratioCell = ({ median, min, max }) => `**${times(median)}** (${times(min)} to ${times(max)})`

const keyOf = ({ workload, what, placement, pair }) => [workload, what, placement, ...pair].join()

/** The medians of a figure's ratio in other runs of the same kind. */
function otherMedians(row, name, others) {
  const medians = others.map(({ results }) => {
    const same = results.rows.find(one => keyOf(one) === keyOf(row))
    const figure = same?.figures.find(one => one.name === name)
    return figure ? times(figure.ratio.median) : '–'
  })
  return medians.join(', ')
}

function rowsOf(row, others) {
  const what = [row.what, row.form].filter(Boolean).join('; ')
  const more = others.length > 0 ? [''] : []
  if (row.figures.length === 0) return [[placeOf(row), what, 'failed', '', '', '', '', ...more]]
  return row.figures.map(({ name, unit, ours, peer, ratio }, i) => [
    i === 0 ? placeOf(row) : '',
    i === 0 ? what : '',
    `${name}, ${unit}`,
    formatted(ours.median),
    formatted(peer.median),
    ratioCell(ratio),
    i === 0 ? ratioCell(row.cpu.ratio) : '',
    ...more.map(() => otherMedians(row, name, others)),
  ])
}

const foreign = {
  c: 'C',
  'c-polling': 'C that polls',
  racket: 'racket/unix-socket',
  'framed-socket': 'FramedSocket',
}

function endTitle(name) {
  const [transport, runtime] = name.split('@')
  const title = foreign[transport] ?? transport
  return runtime ? `${title} on ${runtime[0].toUpperCase()}${runtime.slice(1)}` : title
}

/** A side's name for people: a mixed one names the program at each end. */
export function titleOf(side) {
  const [client, server] = side.split('+')
  return server ? `${endTitle(client)} client with ${endTitle(server)} server` : endTitle(client)
}

const pairTitle = ([ours, peer]) => `${titleOf(ours)} against ${titleOf(peer)}`

function tableOf(rows, others) {
  const { pair } = rows[0]
  const [ours, peer] = pair.map(titleOf)
  const heading = ['workload', 'what', 'figure', ours, peer, 'ratio', 'CPU ratio']
  if (others.length > 0) heading.push('other runs')
  const body = rows.flatMap(row => rowsOf(row, others))
  const lines = [`**${pairTitle(pair)}**`, '', ...markdownTable([heading, ...body], 3), '']
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

/** The charts of the newest results of a kind: their contents by file name. */
export function chartsOf({ kind, cold, results }) {
  const peer = isOfPeers(kind) ? 'its peer' : 'node:net'
  const rounds = `medians of ${results.rounds} ${results.rounds === 1 ? 'round' : 'rounds'}, whiskers from the smallest to the largest round`
  const place = `${titleOfKind(kind)}${cold ? ', the first second' : ''}`
  const name = cold ? `${kind}-cold` : kind
  return {
    [`${name}.svg`]: chart({
      title: `udsock: how many times better than ${peer}, ${place}`,
      subtitle: `rate, median latency, time or memory; ${rounds}`,
      groups: groupsOf(results, row => row.figures[0].ratio),
    }),
    [`${name}-cpu.svg`]: chart({
      title: `udsock: how many times less CPU time than ${peer}, ${place}`,
      subtitle: `user and system, both processes, per operation; ${rounds}`,
      groups: groupsOf(results, row => row.cpu.ratio),
    }),
  }
}

/** The runs of each kind: [[newest, ...others]], in the order of `saved`. */
export function byKind(saved) {
  const kinds = new Map()
  for (const run of saved) {
    const name = `${run.kind} ${run.cold}`
    kinds.set(name, [run, ...(kinds.get(name) ?? [])])
  }
  return [...kinds.values()]
}

function headingOf({ kind, cold }) {
  const place = titleOfKind(kind)
  if (isOfMessages(kind)) return `Messages and descriptors, on ${place}`
  if (isOfPeers(kind)) return `Others, beside ${place}`
  return `node:net on ${place}${cold ? ', the first second' : ''}`
}

function partOf([newest, ...others], directory) {
  const { results, day } = newest
  const charts = Object.keys(chartsOf(newest)).map(
    (file, i) => `![${i === 0 ? 'Ratios' : 'Ratios of CPU time'}, best first](${directory}/${file})`,
  )
  const origins = others.map(run => `- ${run.day}: ${origin(run.results)}`)
  return [
    `### ${headingOf(newest)}`,
    '',
    `${origin(results)}; ${day}.`,
    '',
    ...charts.flatMap(line => [line, '']),
    '<details><summary>The figures</summary>',
    '',
    ...byPair(results.rows).flatMap(rows => tableOf(rows, others)),
    ...missed(results).flatMap(line => [`- ${line}`, '']),
    ...(others.length > 0 ? ['Other runs, whose medians are in the last column:', '', ...origins, ''] : []),
    '</details>',
  ].join('\n')
}

/** Returns the section about `saved`, [{ kind, cold, day, results }] in order, with charts in `directory`. */
export function section(saved, directory) {
  if (saved.length === 0) return ''
  const lead =
    'Ratios are those of one interleaved run, with the smallest and the largest round behind them; above 1 is better for udsock, also for latency, memory and CPU time.'
  const tables = targetTables(saved).join('\n').trimEnd()
  const parts = byKind(saved).map(runs => partOf(runs, directory))
  return [lead, tables, ...parts].filter(part => part !== '').join('\n\n')
}
