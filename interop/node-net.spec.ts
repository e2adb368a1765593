import { readFileSync } from 'node:fs'
import test from 'ava'
import { connect, listen } from '../index.js'
import { converse, meet, type Foreign } from './conversations.js'
import { abstractAddress, closed, Peer, rest, sha256, type Address } from './helpers.js'

// Until Node 22, node:net fills an abstract name up to 108 bytes with zeros, which belong to the name.
const pads = Number(process.versions.node.split('.')[0]) < 22
const LONGEST = 108

function asNodeNames(address: Address): Address {
  if (!pads) return address
  const path = Buffer.alloc(LONGEST)
  path.set(address.path as Uint8Array)
  return { path, argument: address.argument }
}

const nodeNet: Foreign = {
  name: 'node:net',
  available: true,
  install: 'it is part of Node.js',
  command: (role, address, manner) => [process.execPath, 'peer.js', role, address.argument, manner],
  abstractAddress: () => asNodeNames(abstractAddress()),
}

converse(nodeNet)

const onLinux = process.platform === 'linux' ? test.serial : test.serial.skip

onLinux(`node:net ${pads ? 'pads' : 'does not pad'} the abstract names that it listens on`, async t => {
  t.timeout(30_000)
  const exact = abstractAddress()
  const peer = new Peer(t, process.execPath, ['peer.js', 'listen', exact.argument, 'endsLast'])
  await peer.line(/listening/)

  const shown = readFileSync('/proc/net/unix', 'utf8').split(/\s+/)
  t.true(shown.includes(pads ? exact.argument.padEnd(LONGEST, '@') : exact.argument))

  if (pads) await t.throwsAsync(connect(exact.path), { code: 'ECONNREFUSED' })
  const socket = await connect(asNodeNames(exact).path)
  socket.end('found')
  t.is((await rest(socket)).toString(), sha256(Buffer.from('found')))
  await closed(socket)
  await peer.ended()
})

onLinux(`node:net ${pads ? 'pads' : 'does not pad'} the abstract names that it connects to`, async t => {
  t.timeout(30_000)
  const exact = abstractAddress()
  if (pads) {
    // A listener on the exact name is not what node:net asks for.
    const listener = await listen(exact.path)
    const peer = new Peer(t, process.execPath, ['peer.js', 'connect', exact.argument, 'endsLast'])
    await peer.line(/ECONNREFUSED/)
    await listener.close()
  }
  const [socket, peer] = await meet(t, nodeNet, 'connect', asNodeNames(exact), 'endsLast')
  socket.end('found')
  t.is((await rest(socket)).toString(), sha256(Buffer.from('found')))
  await closed(socket)
  await peer.ended()
})
