// The peers of `npm run bench:messages`: packages that node-gyp compiles or that bring an addon, and the C floor. As in `peers.js`.

const unixDgramForm = "unix-dgram sends again what 'congestion' gives back, after 'writable'"

export const messagePeers = {
  'unix-dgram': {
    title: 'unix-dgram',
    pairs: [{ pair: ['udsock', 'unix-dgram'] }, { pair: ['udsock/dgram', 'unix-dgram'] }],
    workloads: { datagram: unixDgramForm, 'datagram-rtt': 'the answer is sent by its path' },
  },
  'node-unix-socket': {
    title: 'node-unix-socket',
    pairs: [{ pair: ['udsock', 'node-unix-socket'] }],
    workloads: { seqpacket: 'SeqpacketSocket', 'seqpacket-1024': 'SeqpacketSocket' },
  },
  usocket: {
    title: 'usocket',
    pairs: [{ pair: ['udsock', 'usocket'] }],
    workloads: { descriptors: 'the receiver closes each by fs.closeSync()' },
  },
  'framed-socket': {
    title: 'FramedSocket',
    pairs: [{ pair: ['udsock', 'framed-socket'] }],
    workloads: { seqpacket: 'FramedSocket over a stream', 'seqpacket-1024': 'FramedSocket over a stream' },
  },
  c: {
    title: 'C floor',
    pairs: [{ pair: ['udsock', 'c'] }],
    workloads: {
      datagram: 'blocking, sendmmsg and recvmmsg of at most 64',
      'datagram-rtt': 'blocking',
      seqpacket: 'blocking, sendmmsg and recvmmsg of at most 64',
      descriptors: 'blocking, sendmmsg and recvmmsg of at most 64',
    },
  },
}

/** The packages from npm among them. */
export const addonPeers = ['unix-dgram', 'node-unix-socket', 'usocket']
