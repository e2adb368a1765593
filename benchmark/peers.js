// The peers of `npm run bench:peers`, beside node:net on Node.js: each with its workloads and
// its requirements.
import { workloadsNamed } from './pairs.js'
import { floorPatience } from './programs.js'

/** Workloads that run on other runtimes, too. The others measure V8's memory or give the same figures. */
const portable = [
  'ping',
  'ping-busy',
  'ping-64',
  'pipeline',
  'receive',
  'send',
  'large',
  'churn',
  'storm',
  'fan-in',
  'http',
]

const runtime = (name, title, without = {}) => ({
  title,
  without,
  pairs: [
    { pair: [`udsock@${name}`, `node:net@${name}`], form: `both on ${title}` },
    { pair: ['udsock', `node:net@${name}`], form: `Node.js against ${title}` },
  ],
  workloads: Object.fromEntries(portable.filter(id => !(id in without)).map(id => [id, undefined])),
})

/**
 * `workloads` names those that make sense, each with its form in a foreign program; `without` has the reason why
 * one that would make sense is left out.
 */
export const peers = {
  bun: runtime('bun', 'Bun'),
  deno: runtime('deno', 'Deno', {
    http: 'its node:http closes a connection after one answer unless its own listener took it',
  }),
  racket: {
    title: 'racket/unix-socket',
    pairs: [{ pair: ['udsock', 'racket'] }],
    workloads: {
      ping: 'ports, a flush each message',
      pipeline: 'ports, one write for all the messages that there is room for',
      churn: '32 threads, a thread for each accepted connection',
    },
  },
  c: {
    title: 'C floor',
    pairs: [{ pair: ['udsock', 'c'] }],
    workloads: {
      ping: 'blocking read and write',
      'ping-64': 'epoll, level-triggered',
      pipeline: 'blocking, one write for all the messages that there is room for',
      receive: 'blocking, read into one buffer',
      send: 'blocking, read into one buffer',
      churn: 'blocking, one at a time',
    },
  },
  'c-polling': {
    title: 'C floor that polls',
    pairs: [{ pair: ['udsock', 'c-polling'] }],
    workloads: { ping: `read without blocking, for ${floorPatience} µs, and then blocking` },
  },
}

/**
 * The rows against those of `among` that are called `names`. `missing` has the reason of each missing peer by name; each is one skipped row.
 */
export function peerRows(among, names, only, missing) {
  const wanted = workloadsNamed(only)
  return names.flatMap(name => {
    const { title, pairs, workloads, without = {} } = among[name]
    if (name in missing) return [{ id: title, placement: 'unpinned', skipped: missing[name] }]
    const measured = pairs.flatMap(({ pair, form }) =>
      Object.keys(workloads)
        .filter(id => wanted.includes(id))
        .map(id => ({
          id,
          sides: pair,
          pairs: [[0, 1]],
          placement: 'unpinned',
          cpus: [],
          form: workloads[id] ?? form,
        })),
    )
    const left = Object.entries(without).filter(([id]) => wanted.includes(id))
    return [
      ...measured,
      ...left.map(([id, why]) => ({ id: `${title}: ${id}`, placement: 'unpinned', skipped: why })),
    ]
  })
}
