// Numbers and tables as text.

/** A number with as many digits as mean something. */
export function formatted(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 4)
}

/** Rows of text under a heading, columns aligned: the first `left` to the left, the rest to the right. */
export function table(rows, left) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)))
  const pad = (text, column) => (column < left ? text.padEnd(widths[column]) : text.padStart(widths[column]))
  return rows.map(row => row.map(pad).join('  ').trimEnd())
}
