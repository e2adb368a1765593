// Ratios as horizontal bars, in SVG: hand-written, so that it needs no package, and legible on light and dark pages.

const width = 780
const left = 250
const right = 690
const rowHeight = 24
const titleHeight = 58
const groupHeight = 30
const footHeight = 34

const style = `
  .page { fill: #ffffff; stroke: #d1d9e0 }
  text { fill: #1f2328; font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
  .title { font-size: 16px; font-weight: 600 }
  .group { font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 6 }
  .muted { fill: #59636e; font-size: 12px }
  .value { font-variant-numeric: tabular-nums }
  .grid { stroke: #d1d9e0 }
  .even { stroke: #1f2328 }
  .better { fill: #4c8dd6 }
  .worse { fill: #d67a3f }
  .spread { stroke: #1f2328; fill: none }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d }
    text { fill: #e6edf3 }
    .muted { fill: #9198a1 }
    .group { stroke: #0d1117 }
    .grid { stroke: #30363d }
    .even, .spread { stroke: #e6edf3 }
    .better { fill: #2f6fc0 }
    .worse { fill: #b3591f }
  }
`

const escaped = text =>
  text.replace(/[&<>"]/g, character => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character])

/** A ratio with as many digits as mean something. */
export function times(value) {
  if (value < 0.1) return `${Number(value.toPrecision(2))}×`
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)}×`
}

/** Powers of two from below the smallest to above the largest, 1 among them with room on both sides. */
export function ticksOf(values) {
  const from = Math.min(-1, Math.floor(Math.log2(Math.min(...values))))
  const to = Math.max(1, Math.ceil(Math.log2(Math.max(...values))))
  return Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i))
}

const fraction = tick => (tick < 1 ? `1/${1 / tick}` : String(tick))

const round = value => Number(value.toFixed(1))

/**
 * A chart of `groups`, each { name, entries: [{ label, ratio: { median, min, max } }] }, on a logarithmic scale. The
 * best entry is drawn first; a bar starts at 1, and its whisker is the spread. A group without a name has no heading.
 */
export function chart({ title, subtitle, groups }) {
  const ratios = groups.flatMap(group => group.entries.map(entry => entry.ratio))
  const ticks = ticksOf(ratios.flatMap(({ min, max }) => [min, max]))
  const [low, high] = [Math.log2(ticks[0]), Math.log2(ticks.at(-1))]
  const x = value => round(left + ((Math.log2(value) - low) / (high - low)) * (right - left))
  const lines = []
  let y = titleHeight
  for (const { name, entries } of groups) {
    if (name) {
      lines.push(`<text class="group" x="16" y="${y + 20}">${escaped(name)}</text>`)
      y += groupHeight
    }
    const sorted = entries.toSorted((a, b) => b.ratio.median - a.ratio.median)
    for (const { label, ratio } of sorted) {
      const [one, end, middle] = [x(1), x(ratio.median), y + rowHeight / 2]
      const kind = ratio.median >= 1 ? 'better' : 'worse'
      const length = round(Math.max(1, Math.abs(end - one)))
      lines.push(
        `<text x="${left - 12}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="${kind}" x="${Math.min(one, end)}" y="${y + 4}" width="${length}" height="${rowHeight - 8}"/>`,
        `<path class="spread" d="M${x(ratio.min)} ${middle}H${x(ratio.max)}M${x(ratio.min)} ${middle - 4}v8M${x(ratio.max)} ${middle - 4}v8"/>`,
        `<text class="value" x="${width - 16}" y="${middle + 4}" text-anchor="end">${times(ratio.median)}</text>`,
      )
      y += rowHeight
    }
  }
  const height = y + footHeight
  // Numbers that would run into each other are left out: of many powers of two, every other one or fewer.
  const apart = Math.ceil((ticks.length * 44) / (right - left))
  const numbered = ticks.filter((_, i) => (i - ticks.indexOf(1)) % apart === 0)
  const grid = ticks.map(
    tick => `<path class="${tick === 1 ? 'even' : 'grid'}" d="M${x(tick)} ${titleHeight - 4}V${y + 4}"/>`,
  )
  const scale = numbered.map(
    tick => `<text class="muted" x="${x(tick)}" y="${y + 20}" text-anchor="middle">${fraction(tick)}×</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style>`,
    `<rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>`,
    `<text class="title" x="16" y="26">${escaped(title)}</text>`,
    `<text class="muted" x="16" y="45">${escaped(subtitle)}</text>`,
    ...grid,
    ...scale,
    ...lines,
    '</svg>',
    '',
  ].join('\n')
}
