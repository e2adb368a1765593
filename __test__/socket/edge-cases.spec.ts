import { spawn } from 'node:child_process'
import { once as eventOf } from 'node:events'
import test from 'ava'
import { connect, type SocketOptions } from '../../index.js'
import { eventually, everyPlace, listening, pair, receive, receiveAll } from '../helpers/sockets.js'

for (const place of everyPlace) {
  test.serial(`views of every kind are written as their bytes, in order (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const memory = Uint8Array.from(Buffer.from('..AABB..')).buffer
    client.write('ab')
    client.write(new Uint16Array(memory, 2, 2))
    client.write(Buffer.alloc(9000, 'x'))
    client.write(new DataView(memory, 2, 1))
    client.end('cd')
    t.is(String(await receiveAll(server)), `abAABB${'x'.repeat(9000)}Acd`)
  })

  test.serial(`what the stream takes while its writable is false is sent (${place})`, async t => {
    const { client, server } = await pair(t, place)
    Object.assign(client, { writable: false })
    client.write('written ')
    client.end('and ended')
    t.is(String(await receiveAll(server)), 'written and ended')
  })

  test.serial(
    `destroy() with bytes waiting for a peer that is gone emits 'close' alone (${place})`,
    async t => {
      for (const reason of [undefined, new Error('mine')]) {
        const { client, server } = await pair(t, place)
        const events: unknown[] = []
        client.on('error', error => events.push(error))
        client.on('close', () => events.push('close'))
        const written = new Promise<unknown>(resolve => client.write(Buffer.alloc(4 << 20), resolve))
        await eventually('the kernel is full', () => client.bytesWritten > 0)
        server.destroy()
        client.destroy(reason)
        t.truthy(await written)
        await client[Symbol.asyncDispose]()
        t.deepEqual(events, reason === undefined ? ['close'] : [reason, 'close'])
      }
    },
  )

  test.serial(`options are what they were at the call (${place})`, async t => {
    const served: SocketOptions = {}
    const listener = await listening(t, place, served)
    Object.assign(served, { highWaterMark: 'nonsense' })
    const asked: SocketOptions = {}
    const connecting = connect(listener.path, asked)
    Object.assign(asked, { highWaterMark: 'nonsense' })
    const [client, server] = [await connecting, await listener.accept()]
    t.deepEqual([client.writableHighWaterMark, server.writableHighWaterMark], [65_536, 65_536])
    client.destroy()
    server.destroy()
  })

  test.serial(
    `accepts of two listeners, raced, lose no connection that can still be given up (${place})`,
    async t => {
      const listeners = [await listening(t, place), await listening(t, place)]
      for (let round = 0; round < 100; round++) {
        const controller = new AbortController()
        const { signal } = controller
        const accepts = listeners.map(listener => listener.accept({ signal }))
        const winner = Promise.race(accepts).then(socket => {
          controller.abort()
          return socket
        })
        const clients = await Promise.all(listeners.map(listener => connect(listener.path)))
        const taken = await winner
        const outcomes = await Promise.allSettled(accepts)
        t.is(outcomes.filter(outcome => outcome.status === 'fulfilled').length, 1)
        const other = listeners[outcomes.findIndex(outcome => outcome.status === 'rejected')]!
        const left = await other.accept()
        for (const socket of [...clients, taken, left]) socket.destroy()
      }
    },
  )
}

const sender = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.send(b'aaa'); s.send(b'b', socket.MSG_OOB); s.send(b'ccc')
s.recv(1)
`

test.serial('a byte out of band does not hold back the bytes behind it', async t => {
  t.timeout(30_000)
  const listener = await listening(t)
  const peer = spawn('python3', ['-c', sender, String(listener.path)], { stdio: 'inherit' })
  t.teardown(() => peer.kill('SIGKILL'))
  const socket = await listener.accept()
  // Some kernels have no such bytes on these sockets and refuse the send; then there is nothing to hold back.
  const text = String(await receive(socket, 6))
  t.regex(text, /^aaab?cc/)
  socket.end('!')
  await eventOf(peer, 'exit')
  socket.destroy()
})
