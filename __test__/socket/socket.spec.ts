import { Duplex } from 'node:stream'
import test from 'ava'
import { connect, UnixListener, UnixSocket } from '../../index.js'
import { everyPlace, listening, once, pair, places, receive, receiveAll } from '../helpers/sockets.js'
import { argument, leavesNoDescriptors, pattern, recorded, tooMuch, turns } from '../helpers/streams.js'
import { start, Program } from '../helpers/program.js'

leavesNoDescriptors(test)

test('sockets and listeners cannot be constructed directly', t => {
  for (const given of [undefined, null, {}, 1, { engine: {}, id: 0, options: {} }]) {
    const refused = { instanceOf: TypeError, code: 'ERR_ILLEGAL_CONSTRUCTOR' }
    t.throws(() => new UnixSocket(given as never), refused)
    t.throws(() => new UnixListener(given as never), refused)
    t.throws(() => new (class extends UnixSocket {})(given as never), refused)
  }
})

for (const place of everyPlace) {
  test(`both ends are a Duplex and a UnixSocket (${place})`, async t => {
    const { client, server } = await pair(t, place)
    for (const socket of [client, server]) {
      t.true(socket instanceof UnixSocket)
      t.true(socket instanceof Duplex)
      t.is(socket.readableHighWaterMark, 65_536)
      t.is(socket.writableHighWaterMark, 65_536)
      t.true(socket.allowHalfOpen)
    }
  })

  test(`peer names this process at both ends (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const ourselves = { uid: process.getuid!(), gid: process.getgid!(), pid: process.pid }
    t.deepEqual(client.peer, ourselves)
    t.deepEqual(server.peer, ourselves)
    client.destroy()
    await once(client, 'close')
    t.deepEqual(client.peer, ourselves, 'known after the end too')
  })

  test(`peer names the child process that connected (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const running = start(t, 'socket-alive.js', [argument(listener.path), 'ref'])
    const server = await listener.accept()
    t.teardown(() => server.destroy())
    t.is(server.peer.pid, running.pid)
    t.is(server.peer.uid, process.getuid!())
    server.end('ok')
    t.is((await running.ended).output, 'ok\nend\nopen')
  })

  test(`remotePath is where the client connected, localPath where the listener is (${place})`, async t => {
    const { client, server, listener } = await pair(t, place)
    t.deepEqual(client.remotePath, listener.path)
    t.is(client.localPath, undefined)
    t.deepEqual(server.localPath, listener.path)
    t.is(server.remotePath, undefined)
    if (listener.path instanceof Uint8Array) {
      const given = Uint8Array.from(listener.path)
      const again = await connect(given)
      t.teardown(() => again.destroy())
      given.fill(1)
      t.deepEqual(again.remotePath, listener.path, 'the name as it was at the call')
    }
  })

  test(`remotePath of an accepted client is what it is bound to (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const bound = places[place](t)
    const script = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(bytes.fromhex(sys.argv[1]))
s.connect(bytes.fromhex(sys.argv[2]))
s.sendall(s.recv(9))`
    const hex = [bound, listener.path].map(path => Buffer.from(path as string).toString('hex'))
    const { ended } = new Program(t, 'python3', ['-c', script, ...hex])
    const server = await listener.accept()
    t.teardown(() => server.destroy())
    t.deepEqual(
      server.remotePath instanceof Uint8Array ? Uint8Array.from(server.remotePath) : server.remotePath,
      bound,
    )
    server.write('who?')
    t.is(String(await receiveAll(server)), 'who?')
    t.is((await ended).code, 0)
    server.end()
  })

  test(`the properties that node:net's users read are there, and right (${place})`, async t => {
    const { client } = await pair(t, place)
    t.is(client.connecting, false)
    t.is(client.pending, false)
    t.is(client.setNoDelay(true), client)
    t.is(client.setKeepAlive(true, 100), client)
    t.is(client.ref(), client)
    t.is(client.unref(), client)
    for (const name of [
      'remoteAddress',
      'remotePort',
      'remoteFamily',
      'localAddress',
      'localPort',
    ] as const) {
      t.is(client[name], undefined)
    }
    t.deepEqual(client.address(), {})
  })

  test(`readyState follows both directions (${place})`, async t => {
    const { client, server } = await pair(t, place)
    t.is(client.readyState, 'open')
    client.end()
    t.is(client.readyState, 'readOnly')
    server.resume()
    await once(server, 'end')
    t.is(server.readyState, 'writeOnly')
    server.end('x')
    t.is(server.readyState, 'closed')
    t.is(String(await receiveAll(client)), 'x')
    await (client.closed || once(client, 'close'))
    t.is(client.readyState, 'closed')
    t.true(client.destroyed)
  })

  test(`bytesRead and bytesWritten count what passed (${place})`, async t => {
    const { client, server } = await pair(t, place)
    t.is(client.bytesWritten, 0)
    t.is(server.bytesRead, 0)
    client.write('é')
    client.write(pattern(100_000))
    client.end('end')
    t.is((await receiveAll(server)).length, 100_005)
    t.is(client.bytesWritten, 100_005)
    t.is(server.bytesRead, 100_005)
    t.is(server.bytesWritten, 0)
    server.end()
    await receiveAll(client)
    t.is(client.bytesRead, 0)
  })

  test(`dispose sends what was written, closes, and is idempotent (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    client.write('last words')
    await Promise.all([client[Symbol.asyncDispose](), client[Symbol.asyncDispose]()])
    t.true(client.closed)
    await client[Symbol.asyncDispose]()
    t.deepEqual(events, ['close'])
    t.is(String(await receiveAll(server)), 'last words')
  })

  test(`allowHalfOpen false answers the peer's end with its own, after what it wrote (${place})`, async t => {
    const { client, server } = await pair(t, place, { allowHalfOpen: false })
    t.false(server.allowHalfOpen)
    const events = recorded(server)
    server.write('before')
    server.resume()
    client.end('x')
    t.is(String(await receiveAll(client)), 'before')
    await (server.closed || once(server, 'close'))
    t.deepEqual(events, ['end', 'finish', 'close'])
  })

  test(`highWaterMark is both directions' measure (${place})`, async t => {
    const listener = await listening(t, place, { highWaterMark: 10 })
    const [client, server] = await Promise.all([
      connect(listener.path, { highWaterMark: 0 }),
      listener.accept(),
    ])
    t.teardown(() => [client, server].forEach(socket => socket.destroy()))
    t.is(server.readableHighWaterMark, 10)
    t.is(server.writableHighWaterMark, 10)
    t.is(client.readableHighWaterMark, 0)
    let written = 0
    do written++
    while (server.write('x'))
    t.true(server.writableLength >= 10 && server.writableLength <= 20, 'at most two high-water marks')
    const received = receive(client, written)
    await once(server, 'drain')
    t.is((await received).length, written)
    let sent = 0
    do sent++
    while (client.write(Buffer.alloc(1000, 'x')))
    const taken = receive(server, 1000 * sent)
    await once(client, 'drain')
    t.is((await taken).length, 1000 * sent)
  })

  test(`a socket reads nothing until it is asked to, and stops when its reader is full (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.write(Buffer.alloc(tooMuch))
    await turns(20)
    t.is(server.bytesRead, 0)
    server.read(0)
    await once(server, 'readable')
    await turns(20)
    const limit = server.readableHighWaterMark + 4 * 65_536
    t.true(server.bytesRead > 0 && server.bytesRead <= limit, `read ${server.bytesRead}, at most ${limit}`)
    t.true(client.writableLength > 0)
    client.end()
    t.is((await receiveAll(server)).length, tooMuch)
  })

  test(`pause keeps what arrives and resume goes on (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const parts: string[] = []
    server.on('data', chunk => {
      parts.push(String(chunk))
      server.pause()
    })
    client.write('one')
    await once(server, 'data')
    client.write('two')
    await turns(5)
    t.deepEqual(parts, ['one'])
    server.resume()
    await once(server, 'data')
    t.deepEqual(parts, ['one', 'two'])
  })

  for (const [what, left] of [
    ['unref', 'open'],
    ['unref and timeout', 'open'],
    ['paused', 'open'],
    ['unref and write', 'open'],
  ] as const) {
    test(`a process whose only socket is "${what}" ends by itself (${place})`, async t => {
      t.timeout(30_000)
      const listener = await listening(t, place)
      const { ended } = start(t, 'socket-alive.js', [argument(listener.path), what])
      const server = await listener.accept()
      t.teardown(() => server.destroy())
      const { code, output, errors } = await ended
      t.is(errors, '')
      t.is(output, left)
      t.is(code, 0)
    })
  }

  test(`a reading socket keeps its process alive, also after unref and ref (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const running = start(t, 'socket-alive.js', [argument(listener.path), 'unref, ref'])
    const server = await listener.accept()
    server.write('first')
    await running.prints('first')
    server.end('second')
    t.is((await running.ended).output, 'first\nsecond\nend\nopen')
    server.destroy()
  })

  test(`a socket with bytes to send keeps its process alive until the kernel has them (${place})`, async t => {
    t.timeout(30_000)
    const listener = await listening(t, place)
    const { ended } = start(t, 'socket-alive.js', [argument(listener.path), 'write'])
    const server = await listener.accept()
    t.is((await receiveAll(server)).length, 4 * 1024 * 1024)
    t.is((await ended).output, 'open')
    server.destroy()
  })
}
