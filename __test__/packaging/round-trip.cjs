// One round trip over each entry of the package. Returns a line that names what was done.
const { connect, isSupported, listen } = require('udsock')
const { createSocket } = require('udsock/dgram')
const { fetch, serve } = require('udsock/http')
const net = require('udsock/net')
const { once } = require('node:events')
const { mkdtempSync, rmSync } = require('node:fs')
const { createServer } = require('node:http')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

async function roundTrips() {
  const directory = mkdtempSync(join(tmpdir(), 'uds'))
  try {
    const listener = await listen(join(directory, 'own'))
    const [client, accepted] = await Promise.all([connect(listener.path), listener.accept()])
    accepted.pipe(accepted)
    client.end('own')
    const [own] = await once(client, 'data')
    await listener.close()

    const server = net.createServer(socket => socket.pipe(socket)).listen(join(directory, 'net'))
    await once(server, 'listening')
    const socket = net.connect(join(directory, 'net'))
    socket.end('net')
    const [answer] = await once(socket, 'data')
    await once(server.close(), 'close')

    const served = await serve(
      createServer((_request, response) => response.end('http')),
      join(directory, 'http'),
    )
    const response = await fetch(join(directory, 'http'), '/')
    const http = await response.text()
    await served.close()

    const receiver = createSocket('unix_dgram')
    receiver.bind(join(directory, 'dgram'))
    const sender = createSocket('unix_dgram')
    sender.send(Buffer.from('dgram'), 0, 5, join(directory, 'dgram'))
    const [message] = await once(receiver, 'message')
    for (const each of [receiver, sender]) each.close()
    return `${own}, ${answer}, ${http} and ${message} came back, supported: ${isSupported}`
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

module.exports = { roundTrips }
