// One round trip over udsock, and one over udsock/net. Prints a line that names what was done.
const { connect, isSupported, listen } = require('udsock')
const net = require('udsock/net')
const { once } = require('node:events')
const { mkdtempSync, rmSync } = require('node:fs')
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
    return `${own} and ${answer} came back, supported: ${isSupported}`
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

module.exports = { roundTrips }
