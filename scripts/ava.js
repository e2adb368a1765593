// AVA as every suite runs it, on any runtime: a TAP reporter that survives a hang, and no V8 coverage on Bun and Deno.
import v8 from 'node:v8'

const entry = import.meta.resolve('ava')
const { default: TapReporter } = await import(new URL('../lib/reporters/tap.js', entry).href)

// AVA 7 passes the errors of tests that hang, or whose process exits, to its reporter as Error objects. The reporter expects
// errors that the test's process serialized, and throws instead of naming those tests.
const { writeTest } = TapReporter.prototype
TapReporter.prototype.writeTest = function (event, flags) {
  const { err: error } = event
  if (!(error instanceof Error)) return writeTest.call(this, event, flags)
  const { name, stack } = error
  return writeTest.call(this, { ...event, err: { type: 'native', name, stack, originalError: error } }, flags)
}

// AVA takes V8's coverage when it ends; Bun and Deno throw there.
if (process.versions.bun !== undefined || process.versions.deno !== undefined) v8.takeCoverage = () => {}
// AVA starts its workers with this program: here, Node for another processor in an emulator.
if (process.env.UDSOCK_NODE) process.execPath = process.env.UDSOCK_NODE
await import(new URL('cli.mjs', entry).href)
