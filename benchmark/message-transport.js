// The transports of messages and descriptors that are compared, each behind the same functions:
//   connect(address) -> Promise<end>
//   serve(address, backlog, onEnd) -> Promise<{ close(): Promise<void> }>
// An end of
//   datagrams: send(message) returns false when it is time to wait for onRoom(callback); answer(message, from); onMessage(listener), close()
//   packets: a framer of framed.js: send(message), onMessage(listener), onEnd(listener), close()
//   descriptors: { socket, send(message, fd) } of a client and { socket, onDescriptors(listener of a number) } of a server
// The packages beside this one are installed by `npm run bench:messages`.
import { closeSync } from 'node:fs'
import { Messenger, soon } from './framed.js'
import { addonPeer } from './libraries.js'

/** Of a function that makes an end of datagrams at a path. */
const datagrams = bound => ({
  connect: address => bound(`${address}.client`, address),

  async serve(address, backlog, onEnd) {
    const end = await bound(address)
    onEnd(end)
    return { close: () => end.close() }
  },
})

async function udsockDatagrams() {
  const { bindDatagram } = await import('udsock')
  return datagrams(async (path, receiver) => {
    const socket = await bindDatagram(path)
    if (receiver !== undefined) await socket.connect(receiver)
    return {
      send: message => socket.send(message),
      onRoom: callback => socket.once('drain', callback),
      answer: (message, to) => socket.send(message, { to }),
      onMessage: listener => socket.on('message', (message, { from }) => listener(message, from)),
      close: () => socket.close(),
    }
  })
}

/** unix-dgram's API. A message that 'congestion' gives back is sent again after 'writable'. */
const unixDgram = createSocket =>
  datagrams((path, receiver) => {
    const socket = createSocket('unix_dgram')
    let returned
    let onRoom
    socket.on('congestion', message => void (returned = message))
    socket.on('writable', () => {
      const message = returned
      returned = undefined
      if (message === undefined) return
      socket.send(message)
      if (returned === undefined) onRoom()
    })
    socket.bind(path)
    if (receiver !== undefined) socket.connect(receiver)
    return {
      send(message) {
        socket.send(message)
        return returned === undefined
      },
      onRoom: callback => void (onRoom = callback),
      answer: (message, to) => socket.send(message, 0, message.length, to),
      onMessage: listener => socket.on('message', (message, { path: from }) => listener(message, from)),
      close: () => socket.close(),
    }
  })

/** A listener of ours, whose sockets are served as `endOf` makes them. */
async function listening(address, options, onSocket) {
  const { listen } = await import('udsock')
  const listener = await listen(address, options)
  const accepting = (async () => {
    for await (const socket of listener) onSocket(socket)
  })()
  return {
    async close() {
      await listener.close()
      await accepting
    },
  }
}

async function udsockPackets() {
  const { connect } = await import('udsock')
  const type = 'seqpacket'
  return {
    connect: async address => new Messenger(await connect(address, { type })),
    serve: (address, backlog, onEnd) =>
      listening(address, { backlog, type }, socket => onEnd(new Messenger(socket))),
  }
}

async function framedPackets() {
  const { connect, FramedSocket } = await import('udsock')
  const messengerOf = socket => new Messenger(new FramedSocket(socket))
  return {
    connect: async address => messengerOf(await connect(address)),
    serve: (address, backlog, onEnd) => listening(address, { backlog }, socket => onEnd(messengerOf(socket))),
  }
}

const packetsOfNodeUnixSocket = socket => ({
  send: message => socket.write(message, 0, message.length),
  onMessage: listener => socket.on('data', listener),
  onEnd: listener => socket.on('end', listener),
  close: () => new Promise(resolve => socket.once('close', soon(resolve)).end()),
})

function nodeUnixSocket() {
  const { SeqpacketServer, SeqpacketSocket } = addonPeer('node-unix-socket')
  return {
    connect: address =>
      new Promise(resolve => {
        const socket = new SeqpacketSocket()
        socket.connect(address, () => soon(resolve)(packetsOfNodeUnixSocket(socket)))
      }),

    serve(address, backlog, onEnd) {
      const server = new SeqpacketServer()
      server.on('connection', socket => onEnd(packetsOfNodeUnixSocket(socket)))
      server.listen(address, backlog)
      return { close: () => server.close() }
    },
  }
}

/** Descriptors that a read takes: usocket's number. */
const receiveDescriptors = 64

async function udsockDescriptors() {
  const { connect } = await import('udsock')
  return {
    async connect(address) {
      const socket = await connect(address)
      return { socket, send: (message, fd) => socket.write(message, { descriptors: [fd] }) }
    },

    serve: (address, backlog, onEnd) =>
      listening(address, { backlog, receiveDescriptors }, socket =>
        onEnd({
          socket,
          onDescriptors: listener =>
            socket.on('descriptors', descriptors => {
              for (const descriptor of descriptors) descriptor.close()
              listener(descriptors.length)
            }),
        }),
      ),
  }
}

function usocket() {
  const { UServer, USocket } = addonPeer('usocket')
  return {
    connect: address =>
      new Promise((resolve, reject) => {
        const socket = new USocket()
        socket.once('error', reject)
        socket.connect(address, () => {
          socket.off('error', reject)
          resolve({ socket, send: (data, fd) => socket.write({ data, fds: [fd] }) })
        })
      }),

    async serve(address, backlog, onEnd) {
      const server = new UServer()
      server.on('connection', socket =>
        onEnd({
          socket,
          onDescriptors: listener =>
            socket.on('fds', () => {
              // Takes them out of the socket's list, which would grow for ever.
              const { fds } = socket.read(0, null)
              for (const fd of fds) closeSync(fd)
              listener(fds.length)
            }),
        }),
      )
      await new Promise(resolve => void server.listen(address, backlog, resolve))
      return { close: () => server.close() }
    },
  }
}

const transports = {
  datagrams: {
    udsock: udsockDatagrams,
    'udsock/dgram': async () => unixDgram((await import('udsock/dgram')).createSocket),
    'unix-dgram': () => unixDgram(addonPeer('unix-dgram').createSocket),
  },
  packets: { udsock: udsockPackets, 'framed-socket': framedPackets, 'node-unix-socket': nodeUnixSocket },
  descriptors: { udsock: udsockDescriptors, usocket },
}

/** The names of those that are for messages or descriptors alone. */
export const messageTransportNames = [
  ...new Set(Object.values(transports).flatMap(named => Object.keys(named))),
].filter(name => name !== 'udsock')

/** `carried` is 'datagrams', 'packets' or 'descriptors'. */
export async function messageTransport(name, carried) {
  const named = transports[carried]
  if (!(name in named))
    throw new Error(`${name} carries no ${carried} (there are: ${Object.keys(named).join(', ')})`)
  return named[name]()
}
