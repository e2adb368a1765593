// Progress for people. In a terminal, lines are drawn again in place; elsewhere nothing is drawn.

/** Milliseconds as `1.2 s` or `2 min 05 s`. */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
}

/** One line of a report: a name, its result, and the time it took. */
export function row(name, result, elapsed) {
  return `  ${name.padEnd(24)}${result.padEnd(32)}${elapsed.padStart(12)}`
}

/** `done` of 1 as a bar of `width` characters. */
export function bar(done, width = 24) {
  const filled = Math.round(Math.min(1, done) * width)
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`
}

export class Screen {
  #drawn = 0
  live = process.stdout.isTTY === true

  /** Replaces the lines that were drawn before. */
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

/** Runs `work`, shows a row with `detail()` meanwhile, and returns [result, elapsed]. */
export async function timed(name, work, detail = () => '') {
  const start = performance.now()
  const elapsed = () => duration(performance.now() - start)
  const screen = new Screen()
  const show = () => screen.draw([row(name, detail(), elapsed())])
  const timer = screen.live ? setInterval(show, 200) : undefined
  show()
  try {
    return [await work(), elapsed()]
  } finally {
    clearInterval(timer)
    screen.clear()
  }
}
