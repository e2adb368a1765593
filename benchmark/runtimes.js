// What other runtimes than Node.js do not run, by workload, and why.

const heap = "it measures V8's memory by V8's means"
const foreignWs = 'Bun puts a library of its own in the place of ws'
const foreignUndici = 'Bun puts a library of its own in the place of undici'
const oneAnswer = 'its node:http closes a connection after one answer unless its own listener took it'

const lacking = {
  Bun: {
    idle: heap,
    retain: heap,
    ws: foreignWs,
    'ws-32': foreignWs,
    undici: foreignUndici,
    'undici-32': foreignUndici,
    fetch: foreignUndici,
  },
  Deno: { idle: heap, retain: heap, http: oneAnswer, 'http-both': oneAnswer },
}

/** A plan for a runtime: what it does not run is skipped, with the reason. */
export function portable(plan, { name }) {
  const reasons = lacking[name] ?? {}
  return plan.map(row => (row.id in reasons ? Object.assign(row, { skipped: reasons[row.id] }) : row))
}
