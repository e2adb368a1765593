// Records of foreign programs: Python's socket module and socat, in both roles.
import { closeSync, openSync } from 'node:fs'
import test from 'ava'
import { connect, listen, type PacketSocket } from '../index.js'
import { abstractAddress, type Address, filesystemAddress, Peer, runs } from './helpers.js'

const type = 'seqpacket'
const isAvailable = process.platform !== 'darwin'
const hasPython = isAvailable && runs('python3', '-c', 'import socket')
const hasSocat = isAvailable && runs('socat', '-V')

const places: Record<string, (t: Parameters<typeof filesystemAddress>[0]) => Promise<Address>> = {
  path: filesystemAddress,
  'abstract name': () => Promise.resolve(abstractAddress()),
}

async function conversation(socket: PacketSocket): Promise<number[]> {
  for (const length of [3, 0, 60_000, 0]) socket.send(Buffer.alloc(length))
  socket.end('last')
  const lengths: number[] = []
  for await (const message of socket) lengths.push(message.length)
  return lengths
}

for (const [place, address] of Object.entries(places)) {
  const withPython = hasPython ? test : test.skip
  withPython(`records go to and from a Python client (${place})`, async t => {
    t.timeout(30_000)
    const { path, argument } = await address(t)
    const listener = await listen(path, { type })
    t.teardown(() => listener.close())
    const peer = new Peer(t, 'python3', ['packets.py', 'connect', argument])
    const server = await listener.accept()
    t.deepEqual(await conversation(server), [5, 0, 50_000])
    t.is(await peer.line(/received/), 'received 3 0 60000 0 4')
    await peer.ended()
  })

  withPython(`records go to and from a Python server (${place})`, async t => {
    t.timeout(30_000)
    const { path, argument } = await address(t)
    const peer = new Peer(t, 'python3', ['packets.py', 'listen', argument])
    await peer.line(/listening/)
    const client = await connect(path, { type })
    t.deepEqual(await conversation(client), [5, 0, 50_000])
    t.is(await peer.line(/received/), 'received 3 0 60000 0 4')
    await peer.ended()
  })
}

;(hasPython && runs('python3', '-c', 'import socket; socket.send_fds') ? test : test.skip)(
  'a Python client returns records with their descriptors',
  async t => {
    t.timeout(30_000)
    const { path, argument } = await filesystemAddress(t)
    const listener = await listen(path, { type, receiveDescriptors: 253 })
    t.teardown(() => listener.close())
    const peer = new Peer(t, 'python3', ['packets.py', 'return', argument])
    const server = await listener.accept()
    t.teardown(() => server.destroy())
    const [device, folder] = [openSync('/dev/null', 'r'), openSync('/', 'r')]
    t.teardown(() => [device, folder].map(closeSync))
    const counts = [1, 0, 253, 2]
    for (const count of counts) {
      const descriptors = Array.from({ length: count }, (_, index) => (index === 0 ? device : folder))
      server.send(`with ${count}`, { descriptors })
    }
    server.end()
    const received: unknown[] = []
    for await (const { data, descriptors } of server.messages()) {
      received.push([String(data), ...descriptors.map(({ kind }) => kind)])
      for (const descriptor of descriptors) descriptor.close()
    }
    // In reverse order.
    t.deepEqual(received, [
      ['with 1', 'character'],
      ['with 0'],
      ['with 253', ...Array.from({ length: 252 }, () => 'directory'), 'character'],
      ['with 2', 'directory', 'character'],
    ])
    await peer.ended()
  },
)

const withSocat = hasSocat ? test : test.skip

/** Sends records to a peer that returns each of them. */
async function echoed(socket: PacketSocket): Promise<string[]> {
  const received: string[] = []
  const messages = socket[Symbol.asyncIterator]()
  for (const message of ['one', 'x'.repeat(5000), 'three']) {
    await socket.sendAndWait(message)
    received.push(String((await messages.next()).value))
  }
  return received
}

withSocat('records go to and from a socat client', async t => {
  t.timeout(30_000)
  const { path, argument } = await filesystemAddress(t)
  const listener = await listen(path, { type })
  t.teardown(() => listener.close())
  const peer = new Peer(t, 'socat', ['-b', '8192', `UNIX-CONNECT:${argument},type=5`, 'EXEC:cat'])
  const server = await listener.accept()
  t.deepEqual(await echoed(server), ['one', 'x'.repeat(5000), 'three'])
  server.destroy()
  await peer.ended()
})

withSocat('records go to and from a socat server', async t => {
  t.timeout(30_000)
  const { path, argument } = await filesystemAddress(t)
  const peer = new Peer(t, 'socat', ['-b', '8192', `UNIX-LISTEN:${argument},type=5`, 'EXEC:cat'])
  const client = await connect(path, { type, waitForListener: true, timeout: 20_000 })
  t.deepEqual(await echoed(client), ['one', 'x'.repeat(5000), 'three'])
  client.destroy()
  await peer.ended()
})
