// The outcome of a suite: { passed, failed, skipped: [what and why], output }.

/**
 * Makes an outcome of a `command()` and its counts. A command that failed without naming a failure, or that ran
 * nothing, is one failure.
 */
export function outcome({ code, output }, { passed = 0, failed = 0, skipped = [] }) {
  const unexplained = failed === 0 && (code !== 0 || passed + skipped.length === 0)
  return { passed, failed: unexplained ? 1 : failed, skipped, output }
}

/** The outcome of a command that is one check. */
export const checked = result => outcome(result, result.code === 0 ? { passed: 1 } : { failed: 1 })

/** The outcome of a suite that cannot run here. */
export const skipped = reason => ({ passed: 0, failed: 0, skipped: [reason], output: '' })

/** An outcome that is the sum of others. */
export class Tally {
  passed = 0
  failed = 0
  skipped = []
  output = ''

  /** Adds an outcome; its output counts only if it failed. */
  add(other) {
    this.passed += other.passed
    this.failed += other.failed
    this.skipped.push(...other.skipped)
    if (other.failed > 0) this.output += `${other.output}\n`
  }

  /** Adds one check; `output` explains its failure. */
  check(name, ok, output) {
    this.add({ passed: Number(ok), failed: Number(!ok), skipped: [], output: `${name}:\n${output}` })
  }
}
