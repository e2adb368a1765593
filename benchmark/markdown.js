// Tables in Markdown, columns aligned in the source, too.

const cell = text => text.replaceAll('|', '\\|')

/** Rows under a heading: the first `left` columns to the left, the rest to the right. */
export function markdownTable(rows, left) {
  const safe = rows.map(row => row.map(cell))
  const widths = safe[0].map((_, column) => Math.max(3, ...safe.map(row => row[column].length)))
  const line = row => `| ${row.map((text, column) => text.padEnd(widths[column])).join(' | ')} |`
  const [heading, ...body] = safe
  const rule = widths.map((width, column) =>
    column < left ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [line(heading), line(rule), ...body.map(line)]
}
