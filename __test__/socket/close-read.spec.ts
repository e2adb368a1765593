import test from 'ava'
import { connect, type UnixSocket } from '../../index.js'
import { everyPlace, listening, once, pair, receive, receiveAll } from '../helpers/sockets.js'
import { closedAndQuiet, fill, leavesNoDescriptors, pattern, recorded, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException | null | undefined

const writeCode = (socket: UnixSocket, chunk: string | Uint8Array): Promise<string | undefined> =>
  new Promise(resolve => socket.write(chunk, error => resolve((error as Failure)?.code)))

for (const place of everyPlace) {
  test(`closeRead(): the peer's next write fails with EPIPE, what we send arrives (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.on('error', () => {})
    client.closeRead()
    client.write('still ')
    t.is(String(await receive(server, 6)), 'still ')
    client.write('going')
    t.is(String(await receive(server, 5)), 'going')
    t.is(await writeCode(server, 'x'), 'EPIPE')
    const second = await pair(t, place)
    second.server.on('error', () => {})
    second.client.closeRead()
    t.is(await writeCode(second.server, pattern(100_000)), 'EPIPE')
  })

  test(`closeRead(): the readable side ends at once, the writable one goes on (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    const ended = once(client, 'end')
    client.resume()
    client.closeRead()
    await ended
    t.false(client.destroyed)
    t.is(client.readyState, 'writeOnly')
    client.write(pattern(300_000))
    client.end()
    t.is((await receiveAll(server)).length, 300_000)
    await closedAndQuiet(client)
    t.deepEqual(
      events.filter(event => event !== 'drain'),
      ['end', 'finish', 'close'],
    )
  })

  test(`closeRead() with unread input and no reader: the socket still closes, the peer is not reset (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    const peerEvents = recorded(server)
    server.write(pattern(150_000))
    await turns(2)
    client.closeRead()
    client.end('bye')
    await closedAndQuiet(client)
    t.deepEqual(events, ['end', 'finish', 'close'])
    t.is(client.bytesRead, 0)
    t.is(String(await receiveAll(server)), 'bye')
    t.false(peerEvents.includes('error ECONNRESET'))
  })

  test(`closeRead() after end() closes (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    client.end('x')
    await once(client, 'finish')
    client.closeRead()
    await closedAndQuiet(client)
    t.deepEqual(events, ['finish', 'end', 'close'])
    t.is(String(await receiveAll(server)), 'x')
  })

  test(`closeRead() discards what the stream holds (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const seen: unknown[] = []
    server.write(pattern(100_000))
    client.read(0)
    await once(client, 'readable')
    t.true(client.readableLength > 0)
    client.on('readable', () => seen.push(client.read()))
    client.on('data', chunk => seen.push(chunk))
    client.closeRead()
    await once(client, 'end')
    t.deepEqual(
      seen.filter(chunk => chunk !== null),
      [],
    )
    t.is(client.readableLength, 0)
    t.is(client.read(), null)
    client.destroy()
  })

  test(`closeRead() inside 'data' is the last of the data (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.on('error', () => {})
    const parts: number[] = []
    client.on('data', (chunk: Buffer) => {
      parts.push(chunk.length)
      client.closeRead()
    })
    server.write(pattern(150_000))
    await once(client, 'end')
    await turns(5)
    t.is(parts.length, 1)
    client.end('after')
    t.is(String(await receiveAll(server)), 'after')
  })

  test(`closeRead() ends a for await and a pending read (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.write('one')
    const parts: string[] = []
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      parts.push(String(chunk))
      setImmediate(() => client.closeRead())
    }
    t.deepEqual(parts, ['one'])
    client.end('x')
    t.is(String(await receiveAll(server)), 'x')
  })

  test(`closeRead() twice, after the end, after destroy() and in 'close' is nothing (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    const serverEvents = recorded(server)
    client.on('close', () => client.closeRead())
    client.closeRead()
    client.closeRead()
    await once(client, 'end')
    client.closeRead()
    client.destroy()
    client.closeRead()
    await closedAndQuiet(client)
    t.deepEqual(events, ['end', 'close'])
    t.is((await receiveAll(server)).length, 0)
    server.closeRead()
    await turns(3)
    t.deepEqual(serverEvents, ['end'])
  })

  test(`closeRead() never ends the writable side by itself (${place})`, async t => {
    const listener = await listening(t, place)
    const [client, server] = await Promise.all([
      connect(listener.path, { allowHalfOpen: false }),
      listener.accept(),
    ])
    t.teardown(() => [client, server].forEach(socket => socket.destroy()))
    client.closeRead()
    await once(client, 'end')
    await turns(5)
    t.true(client.writable)
    client.end('still mine')
    t.is(String(await receiveAll(server)), 'still mine')
  })

  test(`closeRead() while bytes wait to be sent loses none of them (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const skipped = fill(client)
    client.write('tail')
    client.closeRead()
    client.end()
    const received = await receiveAll(server)
    t.is(String(received.subarray(skipped)), 'tail')
    await closedAndQuiet(client)
  })

  test(`closeRead() leaves a replaced emit() alone (${place})`, async t => {
    const { client } = await pair(t, place)
    const names: unknown[] = []
    const emit = client.emit.bind(client)
    client.emit = (name: string | symbol, ...rest: unknown[]) => {
      names.push(name)
      return emit(name, ...rest)
    }
    client.closeRead()
    await once(client, 'end')
    t.true(names.includes('end'), 'as a tracing library has it')
  })

  test(`closeRead() with setEncoding and half a character emits nothing of it (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.setEncoding('utf8')
    const parts: unknown[] = []
    client.on('data', part => parts.push(part))
    server.write(Buffer.from('aé').subarray(0, 2))
    await once(client, 'data')
    t.deepEqual(parts, ['a'])
    client.closeRead()
    await once(client, 'end')
    t.deepEqual(parts, ['a'])
  })
}
