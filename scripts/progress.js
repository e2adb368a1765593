// Elapsed time for people: a line that ticks in a terminal, and nothing anywhere else.

/** Milliseconds as `1.2 s` or `2 min 05 s`. */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
}

/** One line of a report: what it was, how it went, how long it took. */
export function row(name, result, elapsed) {
  return `  ${name.padEnd(24)}${result.padEnd(32)}${elapsed.padStart(12)}`
}

/** Runs `work`, keeps a row with `detail()` up to date meanwhile, and returns [result, elapsed]. */
export async function timed(name, work, detail = () => '') {
  const start = performance.now()
  const elapsed = () => duration(performance.now() - start)
  const live = process.stdout.isTTY === true
  const show = () => process.stdout.write(`\r\x1b[K${row(name, detail(), elapsed())}`)
  const timer = live ? setInterval(show, 200) : undefined
  if (live) show()
  try {
    return [await work(), elapsed()]
  } finally {
    clearInterval(timer)
    if (live) process.stdout.write('\r\x1b[K')
  }
}
