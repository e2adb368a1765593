// The workloads of messages and descriptors, for `npm run bench:messages`. What node:net lacks is compared with packages that have it.
import { datagramPing, datagrams } from './datagrams.js'
import { descriptors } from './descriptors.js'
import { KiB, p50, p99, perOperation, rate } from './figures.js'
import { pipelined } from './framed.js'

const message = { size: 64, slices: 1021 }

const packets = {
  carries: 'packets',
  role: 'packetEcho',
  run: pipelined,
  figures: [rate('msg/s')],
  cpu: perOperation,
  quick: 5000,
}

/** `carries` is what the transports of a workload carry. The rest is as in `workloads.js`. */
export const messageWorkloads = {
  datagram: {
    what: '64 B datagrams one way',
    carries: 'datagrams',
    role: 'datagramSink',
    bytes: message,
    run: datagrams,
    figures: [rate('msg/s')],
    cpu: perOperation,
    quick: 5000,
  },
  'datagram-rtt': {
    what: '64 B datagrams there and back, one in flight',
    carries: 'datagrams',
    role: 'datagramEcho',
    bytes: message,
    run: datagramPing,
    figures: [p50, p99],
    cpu: perOperation,
    quick: 50,
  },
  seqpacket: {
    ...packets,
    what: '64 B messages there and back, 256 in flight, PacketSocket',
    bytes: message,
  },
  'seqpacket-1024': {
    ...packets,
    what: '1 KiB messages there and back, 256 in flight, PacketSocket',
    bytes: { size: KiB, slices: 127 },
  },
  descriptors: {
    what: 'descriptors one way over a stream, each with 64 B',
    carries: 'descriptors',
    role: 'descriptorSink',
    bytes: message,
    run: descriptors,
    figures: [rate('fd/s')],
    cpu: perOperation,
    quick: 1000,
  },
}
