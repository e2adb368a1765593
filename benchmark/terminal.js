// Output that people watch: in a terminal, lines that are drawn again in place; elsewhere nothing is drawn.

/** `done` of 1 as a bar of `width` characters. */
export function bar(done, width = 24) {
  const filled = Math.round(Math.min(1, done) * width)
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`
}

export class Screen {
  #drawn = 0
  live = process.stdout.isTTY === true

  /** Replaces what was drawn before. */
  draw(lines) {
    if (!this.live) return
    this.clear()
    const width = (process.stdout.columns || 80) - 1
    for (const line of lines) process.stdout.write(`${line.slice(0, width)}\n`)
    this.#drawn = lines.length
  }

  clear() {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}F\x1b[0J`)
    this.#drawn = 0
  }
}

/** A number with as many digits as it deserves. */
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
