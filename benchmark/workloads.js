// What is measured. A workload names the server's role, the bytes that travel, how its result is read, and how many
// operations `--quick` makes of it; `run` opens the client's connections and returns step(count).
import { large, receive, send } from './bulk.js'
import { churn, storm } from './connections.js'
import { fanIn } from './fan-in.js'
import { idle, retain } from './memory.js'
import { framed, framedCorked } from './framed.js'
import { echo, ping, pingMany, pipeline, pipelineCorked } from './messages.js'
import { http, httpBoth } from './requests.js'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

// A figure: `read` takes what a client returns, `better` says which way is up.
const p50 = { name: 'p50', unit: 'µs', better: 'lower', read: result => result.latency.p50 }
const p99 = { name: 'p99', unit: 'µs', better: 'lower', read: result => result.latency.p99 }
const rate = unit => ({
  name: 'rate',
  unit,
  better: 'higher',
  read: result => result.operations / result.seconds,
})
const throughput = size => ({
  name: 'throughput',
  unit: 'GiB/s',
  better: 'higher',
  read: result => (result.operations * size) / GiB / result.seconds,
})
const perOperation = {
  name: 'CPU',
  unit: 'µs/op',
  better: 'lower',
  read: result => result.cpu / result.operations,
}
const perGiB = size => ({
  name: 'CPU',
  unit: 's/GiB',
  better: 'lower',
  read: result => result.cpu / 1e6 / ((result.operations * size) / GiB),
})

const measured = (name, unit, read) => ({
  name,
  unit,
  better: 'lower',
  read: ({ measures }) => read(measures),
})

/** Below a hundredth of a per cent nothing can be told apart. */
const atRest = { ...measured('idle CPU', '%', ({ idleCpu }) => idleCpu * 100), resolution: 0.01 }

const message = { size: 64, slices: 1021 }
const chunk = { size: 64 * KiB, slices: 13 }
const whole = { size: 64 * MiB, slices: 1 }

const pinging = {
  what: '64 B there and back, one in flight',
  role: 'echo',
  bytes: message,
  run: ping,
  figures: [p50, p99],
  cpu: perOperation,
  // Few operations a second: what the compiler still does must not be most of it.
  seconds: 1.5,
  quick: 50,
}
const busyPoll = { busyPoll: 50 }

/**
 * `bytes` is the pattern; `placements` are those that tell something; `mixed` are compared with one end swapped, too;
 * `fixed` is the number of operations of a step where the workload gives it, and `once` that of the only one, without
 * a warm-up; `seconds` is how long a run is measured where it is not as usual; `client` names the client's transport
 * where it is not the one that is compared; `options` are what the package's `connect` and `listen` are given.
 */
export const workloads = {
  ping: { ...pinging, placements: ['unpinned', 'same CPU', 'different CPUs'], mixed: true },
  'ping-busy': {
    ...pinging,
    what: 'the same, both ends with busyPoll: 50',
    placements: ['same CPU', 'different CPUs'],
    options: { connect: busyPoll, listen: busyPoll },
  },
  'ping-busy-client': {
    ...pinging,
    what: 'the same, only the client with busyPoll: 50',
    placements: ['same CPU', 'different CPUs'],
    options: { connect: busyPoll },
  },
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
    cpu: perOperation,
    quick: 5000,
  },
  'framed-64': {
    what: '64 B messages there and back, 256 in flight, FramedSocket',
    role: 'framed',
    bytes: message,
    run: framed,
    figures: [rate('msg/s')],
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
    cpu: perOperation,
    quick: 5000,
  },
  receive: {
    what: '64 KiB chunks, server to client',
    role: 'source',
    bytes: chunk,
    run: receive,
    seconds: 2,
    figures: [throughput(chunk.size)],
    cpu: perGiB(chunk.size),
    quick: 100,
  },
  send: {
    what: '64 KiB chunks, client to server',
    role: 'sink',
    bytes: chunk,
    run: send,
    seconds: 2,
    figures: [throughput(chunk.size)],
    cpu: perGiB(chunk.size),
    quick: 100,
  },
  large: {
    what: 'one write of 64 MiB',
    role: 'sink',
    bytes: whole,
    run: large,
    seconds: 2,
    figures: [throughput(whole.size)],
    cpu: perGiB(whole.size),
    quick: 1,
  },
  churn: {
    what: 'connect, accept, close, 32 in flight',
    role: 'farewell',
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
}

/** Not compared by the benchmark: large chunks there and back, which the main job shows. */
export const demonstrations = {
  echo: { role: 'pipe', bytes: chunk, run: echo },
}
