import { Duplex } from 'node:stream'
import { EventEmitter } from 'node:events'
import test from 'ava'
import {
  connect,
  DatagramSocket,
  FramedSocket,
  listen,
  PacketSocket,
  UnixListener,
  UnixSocket,
} from '../../index.js'
import net from '../../net.js'
import { once, pair, places } from '../helpers/sockets.js'

type Members = Record<string, unknown>

/** What streams call on each other, and what Node's documentation or docs/ has. */
const ofStreams = [
  'unpipe',
  '_read',
  '_write',
  '_writev',
  '_final',
  '_destroy',
  'read',
  'write',
  'end',
  'pause',
  'resume',
]
const ofSockets = [
  ...ofStreams,
  'constructor',
  'destroy',
  'setDefaultEncoding',
  'bytesRead',
  'bytesWritten',
  'peer',
  'remotePath',
  'localPath',
  'closeRead',
  'detach',
  'ref',
  'unref',
  'timeout',
  'setTimeout',
  'destroySoon',
  'connecting',
  'pending',
  'readyState',
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
  'address',
  'setNoDelay',
  'setKeepAlive',
]
const ofNetSockets = [
  'cork',
  'connect',
  '_connecting',
  '_handle',
  'bufferSize',
  'resetAndDestroy',
  'getTypeOfService',
  'setTypeOfService',
]
const ofEmitters = ['on', 'addListener', 'prependListener', 'off', 'removeListener', 'removeAllListeners']
const ofMessageSockets = [
  ...ofEmitters,
  'constructor',
  'send',
  'sendAndWait',
  'end',
  'destroy',
  'pause',
  'resume',
  'messages',
  'peer',
]

const allowed = new Map<{ prototype: object }, readonly string[]>([
  [UnixSocket, ofSockets],
  [net.Socket, [...ofSockets, ...ofNetSockets]],
  [
    UnixListener,
    ['constructor', 'path', 'closed', 'refused', 'accept', 'ready', 'close', 'duplicate', 'ref', 'unref'],
  ],
  [FramedSocket, [...ofMessageSockets, 'socket']],
  [
    DatagramSocket,
    [
      ...ofEmitters,
      'constructor',
      'send',
      'sendAndWait',
      'connect',
      'disconnect',
      'close',
      'closed',
      'destroy',
      'detach',
      'pause',
      'resume',
      'messages',
      'path',
      'remotePath',
      'dropped',
      'bytesRead',
      'bytesWritten',
      'ref',
      'unref',
    ],
  ],
  [
    PacketSocket,
    [...ofMessageSockets, 'bytesRead', 'bytesWritten', 'remotePath', 'localPath', 'detach', 'ref', 'unref'],
  ],
  [
    net.Server,
    [
      'constructor',
      'listening',
      'address',
      'listen',
      'getConnections',
      'close',
      'ref',
      'unref',
      '_handle',
      '_emitCloseIfDrained',
    ],
  ],
])

/** The string names of a prototype, and of those behind it up to Node's own. */
function namesOf({ prototype }: { prototype: object }): string[] {
  const names = new Set<string>()
  const ends = new Set<unknown>([Duplex.prototype, EventEmitter.prototype, Object.prototype, null])
  for (
    let object: object | null = prototype;
    !ends.has(object);
    object = Object.getPrototypeOf(object!) as object | null
  )
    for (const name of Object.getOwnPropertyNames(object)) names.add(name)
  return [...names]
}

for (const [type, names] of allowed)
  test(`no internal of ${(type as { name?: string }).name} has a string name on a prototype`, t => {
    t.deepEqual(
      namesOf(type).filter(name => !names.includes(name)),
      [],
    )
  })

/** Names that a user may think of, those of internals past and present among them. */
const free = [
  'send',
  'flush',
  'onEvent',
  'touch',
  'failed',
  'isBlocked',
  'writeFrame',
  'connectTo',
  'renew',
  'endReading',
  'endWriting',
  'resumeWriting',
  'sendAtLast',
  'holdIfBusy',
  'expectAnswer',
  'inContext',
  'stopTimer',
  'bytesPut',
  'isConnected',
  'handle',
  'reader',
  'writer',
  'engine',
  'id',
  'queue',
  'take',
  'close',
  'start',
  'stop',
  'reset',
  'accept',
  'state',
  'resource',
  'peer',
  'remotePath',
  'localPath',
  'timeout',
  'connecting',
  'path',
  'name',
  'data',
  'options',
  'callback',
  'open',
  'length',
  'buffer',
  'error',
  'context',
]

async function works(client: UnixSocket, server: UnixSocket): Promise<string> {
  server.on('data', chunk => server.end(`${chunk}!`))
  client.write('hello')
  let received = ''
  client.on('data', chunk => (received += chunk))
  await once(client, 'end')
  client.end()
  await Promise.all([client, server].map(socket => (socket.closed ? undefined : once(socket, 'close'))))
  return received
}

test('properties of any name change nothing on a socket', async t => {
  for (const name of free)
    for (const value of [() => {}, 5, undefined]) {
      const { client, server } = await pair(t)
      for (const socket of [client, server]) (socket as unknown as Members)[name] = value
      t.is(await works(client, server), 'hello!', name)
    }
})

test('members of any name change nothing in a class that derives from Socket', async t => {
  const path = places.path(t)
  const server = net
    .createServer(accepted => accepted.on('data', chunk => accepted.end(`${chunk}!`)))
    .listen(path)
  t.teardown(() => server.close())
  const members = Object.fromEntries(
    free.map(name => [name, { value: () => t.fail(name), configurable: true, writable: true }]),
  )
  class Client extends net.Socket {}
  Object.defineProperties(Client.prototype, members)
  const client = new Client().connect(path)
  client.write('hello')
  t.is(String(await once(client, 'data')), 'hello!')
  if (!client.closed) await once(client, 'close')
})

test('properties of any name change nothing on a listener', async t => {
  const listener = await listen(places.path(t))
  for (const name of free.filter(member => !['accept', 'close', 'path'].includes(member)))
    (listener as unknown as Members)[name] = () => t.fail(name)
  const accepting = listener.accept()
  const client = await connect(listener.path)
  t.true((await accepting) instanceof UnixSocket)
  client.destroy()
  await listener.close()
})
