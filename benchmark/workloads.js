// The workloads. Each names the server's role, the bytes that travel, how its result is read, and how many
// operations `--quick` makes of it, 0 where another row proves the same; `run` opens the client's connections and returns step(count).
import { large, receive, send } from './bulk.js'
import { churn, storm } from './connections.js'
import { fanIn } from './fan-in.js'
import { atRest, KiB, measured, MiB, p50, p99, perGiB, perOperation, rate, throughput } from './figures.js'
import { idle, retain } from './memory.js'
import { framed, framedCorked } from './framed.js'
import { fetching, httpRequests, undici } from './http-requests.js'
import { jsonrpc } from './jsonrpc.js'
import { lines } from './lines.js'
import { messageWorkloads } from './message-workloads.js'
import { echo, ping, pingMany, pipeline, pipelineCorked } from './messages.js'
import { http, httpBoth } from './requests.js'
import { frames, messages } from './round-trips.js'
import { start } from './start.js'
import { websocket } from './websocket.js'

const message = { size: 64, slices: 1021 }
const hundred = { size: 100, slices: 1021 }
const chunk = { size: 64 * KiB, slices: 13 }
const whole = { size: 64 * MiB, slices: 1 }

const pinging = {
  what: '64 B there and back, one in flight',
  role: 'echo',
  bytes: message,
  run: ping,
  figures: [p50, p99],
  cpu: perOperation,
  quick: 50,
}
const busyPoll = { busyPoll: 50 }

const inFlight = 32

/** The two rows of a way to ask: one request in flight, and 32. */
function roundTrips(id, what, ask, rest) {
  const row = { figures: [p50, rate('req/s')], cpu: perOperation, cold: true, ...rest }
  return {
    [id]: {
      ...row,
      what: `${what}, one in flight`,
      run: ask(1),
      placements: ['unpinned', 'same CPU'],
      sleeping: 'ours',
      quick: 0,
    },
    [`${id}-${inFlight}`]: { ...row, what: `${what}, ${inFlight} in flight`, run: ask(inFlight), quick: 100 },
  }
}

/** Round trips to a server that takes its time. */
const slow = (what, think, quick) => ({
  what: `64 B there and back, one in flight, the server ${what}`,
  role: 'slow',
  think,
  bytes: message,
  run: ping,
  figures: [p50, p99],
  cpu: perOperation,
  sleeping: 'peer',
  quick,
})

/** Round trips by several pairs of processes at once. */
const crowd = (crowded, quick) => ({
  what: `64 B there and back, one in flight, by ${crowded} pairs of processes`,
  role: 'echo',
  bytes: message,
  run: ping,
  crowded,
  placements: ['two CPUs'],
  figures: [p50, p99],
  cpu: perOperation,
  sleeping: 'peer',
  quick,
})

/**
 * `bytes` is the pattern; `placements` are the useful ones; `mixed` are compared with one end swapped, too; `sleeping`
 * adds a side of ours with `busyPoll: 0`, as another of 'ours' or as another 'peer'; `cold` also have a form without a
 * warm-up; `think` is what a slow server does; `crowded` is a number of pairs of processes; `proxied` go through a
 * third process; `library` is one that is needed, and `carries` names a transport of its own; `fixed` is the number of operations of a step where the workload gives it, and `once` that of the only one, without
 * a warm-up; `seconds` is the duration of a run where it is not the usual one; `client` names the client's transport
 * where it is not the one that is compared; `options` go to the package's `connect` and `listen`.
 */
export const workloads = {
  ping: {
    ...pinging,
    placements: ['unpinned', 'same CPU', 'different CPUs'],
    mixed: true,
    sleeping: 'ours',
    cold: true,
  },
  'ping-32': roundTrips('ping', '64 B there and back', messages, { role: 'echo', bytes: message })['ping-32'],
  'ping-busy': {
    ...pinging,
    what: 'the same, both ends with busyPoll: 50',
    placements: ['same CPU', 'different CPUs'],
    options: { connect: busyPoll, listen: busyPoll },
  },
  ...roundTrips('lines', 'JSON by lines', lines, { role: 'lines' }),
  ...roundTrips('framed-rtt', '100 B there and back, FramedSocket', frames, {
    role: 'framed',
    bytes: hundred,
  }),
  ...roundTrips('ws', '100 B there and back, ws', websocket, {
    role: 'websocket',
    bytes: hundred,
    library: 'ws',
    carries: 'libraries',
  }),
  ...roundTrips('undici', 'undici and node:http', undici, {
    role: 'hello',
    library: 'undici',
    carries: 'libraries',
  }),
  ...roundTrips('http-rtt', 'node:http with an Agent', httpRequests, { role: 'hello', carries: 'libraries' }),
  ...roundTrips('jsonrpc', 'vscode-jsonrpc', jsonrpc, { role: 'jsonrpc', library: 'vscode-jsonrpc' }),
  'slow-50us': slow('works 50 µs', { microseconds: 50 }, 5),
  'slow-300us': slow('works 300 µs', { microseconds: 300 }, 0),
  'slow-1ms': slow('answers by a timer of 1 ms', { milliseconds: 1 }, 5),
  'slow-10ms': slow('answers by a timer of 10 ms', { milliseconds: 10 }, 0),
  'crowd-2': crowd(2, 20),
  'crowd-4': crowd(4, 0),
  'crowd-8': crowd(8, 0),
  'ping-64': {
    what: '64 B there and back on each of 64 connections',
    role: 'echo',
    bytes: message,
    run: pingMany,
    figures: [rate('msg/s')],
    cpu: perOperation,
    mixed: true,
    quick: 2000,
  },
  pipeline: {
    what: '64 B there and back, 256 in flight, plain writes',
    role: 'echo',
    bytes: message,
    run: pipeline,
    figures: [rate('msg/s')],
    cold: true,
    cpu: perOperation,
    mixed: true,
    quick: 5000,
  },
  'pipeline-corked': {
    what: 'the same, node:net corks 32 at a time',
    role: 'echo',
    bytes: message,
    run: pipelineCorked,
    figures: [rate('msg/s')],
    cold: true,
    cpu: perOperation,
    quick: 5000,
  },
  'framed-64': {
    what: '64 B messages there and back, 256 in flight, FramedSocket',
    role: 'framed',
    bytes: message,
    run: framed,
    figures: [rate('msg/s')],
    cold: true,
    cpu: perOperation,
    quick: 5000,
  },
  'framed-64-corked': {
    what: 'the same, node:net corks what one chunk brings',
    role: 'framedCorked',
    bytes: message,
    run: framedCorked,
    figures: [rate('msg/s')],
    cpu: perOperation,
    quick: 5000,
  },
  'framed-1024': {
    what: '1 KiB messages there and back, 256 in flight, FramedSocket',
    role: 'framed',
    bytes: { size: KiB, slices: 127 },
    run: framed,
    figures: [rate('msg/s')],
    cold: true,
    cpu: perOperation,
    quick: 5000,
  },
  receive: {
    what: '64 KiB chunks, server to client',
    role: 'source',
    bytes: chunk,
    run: receive,
    seconds: 0.75,
    figures: [throughput(chunk.size)],
    cpu: perGiB(chunk.size),
    quick: 100,
  },
  send: {
    what: '64 KiB chunks, client to server',
    role: 'sink',
    bytes: chunk,
    run: send,
    seconds: 0.75,
    figures: [throughput(chunk.size)],
    cpu: perGiB(chunk.size),
    quick: 100,
  },
  large: {
    what: 'one write of 64 MiB',
    role: 'sink',
    bytes: whole,
    run: large,
    seconds: 0.75,
    figures: [throughput(whole.size)],
    cpu: perGiB(whole.size),
    quick: 1,
  },
  'proxy-64': {
    what: '64 B there and back, 256 in flight, through a process that pipes',
    role: 'echo',
    bytes: message,
    run: pipeline,
    proxied: true,
    figures: [rate('msg/s')],
    cpu: perOperation,
    quick: 2000,
  },
  'proxy-64k': {
    what: '64 KiB chunks, server to client, through a process that pipes',
    role: 'source',
    bytes: chunk,
    run: receive,
    proxied: true,
    figures: [throughput(chunk.size)],
    cpu: perGiB(chunk.size),
    quick: 50,
  },
  churn: {
    what: 'connect, one byte there and back, end, close, 32 in flight',
    role: 'echo',
    cold: true,
    backlog: 4096,
    run: churn,
    figures: [rate('conn/s')],
    cpu: perOperation,
    quick: 200,
  },
  storm: {
    what: '2,000 connects in one tick, backlog 128',
    role: 'greet',
    backlog: 128,
    run: storm,
    fixed: 2000,
    figures: [
      {
        name: 'time',
        unit: 's',
        better: 'lower',
        read: result => result.seconds / (result.operations / 2000),
      },
    ],
    cpu: perOperation,
    quick: 200,
  },
  idle: {
    what: 'open connections that say nothing, RSS of the server',
    role: 'echo',
    bytes: message,
    run: idle,
    seconds: 0.75,
    once: limit => Math.min(10_000, limit - 200),
    figures: [measured('RSS', 'KiB/conn', ({ rssPerConnection }) => rssPerConnection / KiB), atRest],
    cpu: perOperation,
    quick: 200,
  },
  'fan-in': {
    what: '200 connections, 64 B each millisecond on every one',
    role: 'sink',
    bytes: message,
    run: fanIn,
    figures: [rate('msg/s')],
    cpu: perOperation,
    quick: 2000,
  },
  http: {
    what: 'node:http, keep-alive, 32 connections, server swapped',
    role: 'http',
    client: 'node:net',
    run: http,
    figures: [rate('req/s')],
    cold: true,
    cpu: perOperation,
    quick: 200,
  },
  'http-both': {
    what: 'the same, node:http at both ends, both swapped',
    role: 'http',
    run: httpBoth,
    figures: [rate('req/s')],
    cpu: perOperation,
    quick: 200,
  },
  fetch: {
    what: 'fetch() from a server of node:http, 32 in flight, both swapped; undici for node:net',
    role: 'hello',
    run: fetching(inFlight),
    library: 'undici',
    carries: 'libraries',
    figures: [rate('req/s'), p50],
    cpu: perOperation,
    quick: 100,
  },
  retain: {
    what: 'received chunks of 100 B that are kept, ArrayBuffer bytes per byte',
    role: 'echo',
    bytes: { size: 100, slices: 1021 },
    run: retain,
    once: () => 20_000,
    figures: [measured('retained', 'B/B', ({ retainedPerByte }) => retainedPerByte)],
    cpu: perOperation,
    quick: 200,
  },
  start: {
    what: 'fresh processes one after the other: import, connect, one request, end',
    role: 'echo',
    run: start,
    once: () => 6,
    figures: [measured('wall', 'ms', ({ wall }) => wall), measured('RSS', 'MiB', ({ rss }) => rss)],
    cpu: measured('CPU', 'ms', ({ cpu }) => cpu),
    quick: 1,
  },
  ...messageWorkloads,
}

/** Large chunks there and back, for `npm start`; the benchmark does not compare it. */
export const demonstrations = {
  echo: { role: 'pipe', bytes: chunk, run: echo },
}
