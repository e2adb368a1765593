// One round trip over each entry of the package. Returns a line that names what was done.
import { connect, isSupported, listen } from 'udsock'
import { createSocket } from 'udsock/dgram'
import { fetch, serve } from 'udsock/http'
import * as net from 'udsock/net'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function roundTrips() {
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
    const socket = net.default.connect(join(directory, 'net'))
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
