// What is to be reached on Node.js 24 and 26: ratios to node:net on the same runtime, unless a target says otherwise.

const atLeast = (figure, ratio) => ({ figure, ratio })
/** Of what the peer takes. */
const share = (figure, most) => ({ figure, share: most })
/** A value of ours by itself, and how much above the peer's it may be. */
const value = (figure, most, unit) => ({ figure, value: most, unit })
const above = (figure, most) => ({ figure, above: most })

const both = ['udsock', 'node:net']
const asleep = ['udsock (busyPoll 0)', 'node:net']
const toAsleep = ['udsock', 'udsock (busyPoll 0)']

/** A line of the table. `cold` are the targets of the first second. */
const target = (workload, wanted, { cold = [], pair = both, placement = 'unpinned' } = {}) => ({
  workload,
  pair,
  placement,
  wanted,
  cold,
})

/** Lines with the same targets. */
const targets = (workloads, wanted, rest) => workloads.map(workload => target(workload, wanted, rest))

const light = ['ping', 'framed-rtt', 'ws']
const heavy = ['lines', 'undici', 'http-rtt', 'jsonrpc']
const single = [...light, ...heavy]
const even = [atLeast('p50', 1), share('CPU', 1)]
const evenCold = { cold: [atLeast('p50', 0.97)] }

/** The sections of the table. */
export const targetSections = [
  {
    title: 'Request and response',
    lines: [
      ...targets(light, [atLeast('p50', 5), share('CPU', 0.5)], { cold: [atLeast('p50', 3)] }),
      ...targets(heavy, [atLeast('p50', 1.5), share('CPU', 0.9)], { cold: [atLeast('p50', 1.2)] }),
      ...targets(single, even, { ...evenCold, pair: asleep }),
      ...targets(single, even, { ...evenCold, placement: 'same CPU' }),
      ...targets(
        single.map(id => `${id}-32`),
        [atLeast('p50', 1.2), atLeast('rate', 1.2), share('CPU', 0.8)],
        { cold: [atLeast('p50', 1.1)] },
      ),
    ],
  },
  {
    title: 'Throughput, connections and memory',
    lines: [
      target('ping-64', [atLeast('rate', 1.6), share('CPU', 0.65)]),
      target('pipeline', [atLeast('rate', 7), share('CPU', 0.13)], { cold: [atLeast('rate', 4.5)] }),
      target('pipeline-corked', [atLeast('rate', 1.2)], { cold: [atLeast('rate', 1)] }),
      target('framed-64', [atLeast('rate', 7)], { cold: [atLeast('rate', 5)] }),
      target('framed-1024', [atLeast('rate', 3.5)], { cold: [atLeast('rate', 3)] }),
      ...targets(['receive', 'send', 'large'], [atLeast('throughput', 1.25)]),
      target('proxy-64', [atLeast('rate', 1.5)]),
      target('proxy-64k', [atLeast('throughput', 1.2)]),
      target('churn', [atLeast('rate', 1.5)], { cold: [atLeast('rate', 1.35)] }),
      target('idle', [share('RSS', 0.85)]),
      target('fan-in', [share('CPU', 0.65)]),
      target('http', [atLeast('rate', 1.35)], { cold: [atLeast('rate', 1.25)] }),
      target('fetch', [atLeast('rate', 1.2)]),
      target('http-both', [atLeast('rate', 1.7)]),
      target('storm', [value('failures', 0, 'connects')]),
      target('retain', [value('retained', 1.2, 'B/B')]),
      target('start', [share('wall', 1.15), above('RSS', 6)]),
    ],
  },
  {
    title: 'Where polling cannot win',
    lines: [
      target('crowd-8', even, { placement: 'two CPUs' }),
      ...targets(['crowd-2', 'crowd-4', 'crowd-8'], [share('CPU', 1.03)], {
        pair: toAsleep,
        placement: 'two CPUs',
      }),
      ...targets(['slow-50us', 'slow-300us', 'slow-1ms', 'slow-10ms'], [share('CPU', 1.03)], {
        pair: toAsleep,
      }),
    ],
  },
  {
    title: 'Against C',
    of: 'peers',
    lines: [
      target('ping', [atLeast('p50', 0.8)], { pair: ['udsock', 'c-polling'] }),
      target('ping', [atLeast('p50', 1)], { pair: ['udsock', 'c'] }),
      target('ping-64', [atLeast('rate', 0.75)], { pair: ['udsock', 'c'] }),
      target('pipeline', [atLeast('rate', 0.5)], { pair: ['udsock', 'c'] }),
    ],
  },
  {
    title: 'Messages and descriptors',
    of: 'messages',
    lines: [
      target('datagram', [atLeast('rate', 5)], { pair: ['udsock', 'unix-dgram'] }),
      target('datagram', [atLeast('rate', 0.5)], { pair: ['udsock', 'c'] }),
      target('datagram-rtt', even, { pair: ['udsock', 'unix-dgram'] }),
      target('seqpacket', [atLeast('rate', 3)], { pair: ['udsock', 'node-unix-socket'] }),
      target('descriptors', [atLeast('rate', 1)], { pair: ['udsock', 'usocket'] }),
    ],
  },
]

/** Returns what a row reached of a target, and whether that is enough; undefined without the figure. */
export function reached(row, { figure: name, ratio, share: most, value: limit, above: margin }) {
  if (name === 'failures') {
    const failures = Object.values(row.ours.repeated).reduce(
      (sum, times) => sum + times,
      row.ours.errors.length,
    )
    return { value: failures, enough: failures <= limit }
  }
  const figure = [...row.figures, row.cpu].find(one => one?.name === name)
  if (figure === undefined) return undefined
  if (ratio !== undefined) return { value: figure.ratio.median, enough: figure.ratio.median >= ratio }
  if (limit !== undefined) return { value: figure.ours.median, enough: figure.ours.median <= limit }
  if (margin !== undefined) {
    const more = figure.ours.median - figure.peer.median
    return { value: more, enough: more <= margin }
  }
  const part = 1 / figure.ratio.median
  return { value: part, enough: part <= most }
}
