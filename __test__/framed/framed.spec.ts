import test, { type ExecutionContext } from 'ava'
import { FramedSocket, type FramedOptions } from '../../index.js'
import { frame, rawPair, recorded } from './helpers.js'
import { eventually, everyPlace, once, pair, type Place, receive, receiveAll } from '../helpers/sockets.js'
import { generator, leavesNoDescriptors, netConnect, pattern, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException

/** Two framed sockets that talk to each other. */
async function framedPair(
  t: ExecutionContext,
  place: Place,
  options?: FramedOptions,
): Promise<{ client: FramedSocket; server: FramedSocket }> {
  const { client, server } = await pair(t, place)
  return { client: new FramedSocket(client, options), server: new FramedSocket(server, options) }
}

for (const place of everyPlace) {
  test(`messages of bytes, of text and of nothing arrive whole and in order (${place})`, async t => {
    const { client, server } = await framedPair(t, place)
    const sent = ['text', pattern(10), '', new Uint8Array(0), 'ünïcode 🦀', pattern(8188), pattern(8189)]
    const long = [pattern(8192), pattern(70_000), 'x'.repeat(100_000), '', pattern(5000).toString('latin1')]
    for (const message of [...sent, ...long]) client.send(message)
    client.end()
    const received: Buffer[] = []
    for await (const message of server) received.push(message)
    t.deepEqual(
      received,
      [...sent, ...long].map(message => Buffer.from(message as string)),
    )
  })

  test(`on the wire a message is its length, big-endian, and its bytes (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    framed.send('abc')
    framed.send('')
    framed.send(pattern(300))
    framed.send(pattern(20_000))
    framed.end()
    const expected = Buffer.concat([frame('abc'), frame(''), frame(pattern(300)), frame(pattern(20_000))])
    t.true((await receiveAll(raw)).equals(expected))
  })

  test(`a small message is copied by send() (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const message = Buffer.from('before')
    framed.send(message)
    message.write('after!')
    t.true((await receive(raw, 10)).equals(frame('before')))
  })

  test(`frames, writes and corks of one turn leave in the order in which they were made (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const { socket } = framed
    const expected: Buffer[] = []
    const next = generator(7)
    const send = (size: number): void => {
      framed.send(pattern(size, size))
      expected.push(frame(pattern(size, size)))
    }
    const received = receiveAll(raw)
    for (let round = 0; round < 200; round++) {
      send(next(300))
      if (next(5) === 0) send(next(20_000))
      if (next(5) === 0) {
        socket.write(frame('written'))
        expected.push(frame('written'))
      }
      if (next(8) === 0) socket.cork()
      send(next(3000))
      if (next(3) === 0) socket.uncork()
      if (next(10) === 0) await turns(1)
    }
    framed.end()
    t.true((await received).equals(Buffer.concat(expected)))
    t.is(socket.writableLength, 0)
  })

  test(`callbacks of send() come in order, when the kernel has the message (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    raw.resume()
    const called: string[] = []
    let inside = true
    for (const size of [10, 20, 9000, 0, 8188, 30]) {
      framed.send('between')
      framed.send(pattern(size), error => called.push(`${size} ${error ?? 'sent'} ${inside}`))
    }
    inside = false
    await eventually('all are called back', () => called.length === 6)
    t.deepEqual(
      called,
      [10, 20, 9000, 0, 8188, 30].map(size => `${size} sent false`),
    )
  })

  test(`a message to a peer that is gone fails in its callback and as 'error' (${place})`, async t => {
    for (const size of [10, 20_000]) {
      const { raw, framed } = await rawPair(t, place)
      const events = recorded(framed)
      // Closes the descriptor at once; a turn later the end may have come, and ended this side.
      raw.destroy()
      const failed = new Promise<Failure>(resolve =>
        framed.send(pattern(size), error => resolve(error as Failure)),
      )
      t.is((await failed).code, 'EPIPE')
      await eventually('it closes', () => events.includes('close'))
      t.deepEqual(events, ['end', 'error EPIPE', 'close'])
    }
  })

  test(`without a callback it fails as 'error' alone (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    raw.destroy()
    const failed = once<Failure>(framed, 'error')
    for (let count = 0; count < 1000; count++) framed.send('nobody reads this')
    t.is((await failed).code, 'EPIPE')
  })

  test(`send() after end() is an error, as a stream's write (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    framed.send('last')
    framed.end()
    const failed = once<Failure>(framed, 'error')
    framed.send('late')
    t.is((await failed).code, 'ERR_STREAM_WRITE_AFTER_END')
    t.true((await receiveAll(raw)).equals(frame('last')))
  })

  test(`a message that is too long is refused and the connection lives on (${place})`, async t => {
    const { client, server } = await framedPair(t, place, { maxMessageLength: 10 })
    const events = recorded(server)
    const refusal = { instanceOf: RangeError, code: 'ERR_FRAME_TOO_LARGE' }
    for (const message of [Buffer.alloc(11), 'x'.repeat(11), '€€€€', 'x'.repeat(1e6)]) {
      t.throws(() => client.send(message), refusal)
      t.is(client.socket.writableLength, 0)
    }
    t.throws(() => client.send('€€€€'), {
      message: 'A message of 12 bytes is longer than options.maxMessageLength, 10',
    })
    client.send('x'.repeat(10))
    client.send('€€€')
    client.end()
    await eventually('both arrive', () => events.includes('close'))
    t.deepEqual(events, ['xxxxxxxxxx', '€€€', 'end', 'close'])
  })

  test(`a frame that is too long is refused on its length, after the messages before it (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place, { maxMessageLength: 1000 })
    const events = recorded(framed)
    raw.write(Buffer.concat([frame('before'), frame(pattern(1001)).subarray(0, 4)]))
    await eventually('it closes', () => events.includes('close'))
    t.deepEqual(events, ['before', 'error ERR_FRAME_TOO_LARGE', 'close'])
    t.true(framed.socket.destroyed)
  })

  test(`the default limit is 16 MiB in both directions (${place})`, async t => {
    const limit = 16 * 1024 * 1024
    const { client, server } = await framedPair(t, place)
    const longest = Buffer.alloc(limit, 'm')
    t.throws(() => client.send(Buffer.alloc(limit + 1)), { code: 'ERR_FRAME_TOO_LARGE' })
    client.send(longest)
    t.true((await once<Buffer>(server, 'message')).equals(longest))
    const failed = once<Failure>(server, 'error')
    server.resume()
    client.socket.write(Buffer.from([1, 0, 0, 1]))
    t.is((await failed).code, 'ERR_FRAME_TOO_LARGE')
  })

  test(`an end inside a frame is ERR_FRAME_TRUNCATED, at every byte (${place})`, async t => {
    const stream = Buffer.concat([frame('one'), frame(''), frame('three')])
    for (let at = 0; at <= stream.length; at++) {
      const { raw, framed } = await rawPair(t, place)
      const events = recorded(framed)
      raw.end(stream.subarray(0, at))
      const whole = [0, 7, 11, 20].includes(at)
      await eventually('the end', () => events.includes('close'))
      const messages = ['one', '', 'three'].slice(0, [7, 11, 20].filter(end => end <= at).length)
      t.deepEqual(events, [...messages, whole ? 'end' : 'error ERR_FRAME_TRUNCATED', 'close'])
      framed.destroy()
    }
  })

  test(`split at every byte in chunks of its own, a stream gives the same messages (${place})`, async t => {
    const payloads = ['a', '', 'message', 'x'.repeat(30)]
    const stream = Buffer.concat(payloads.map(frame))
    for (let at = 1; at < stream.length; at++) {
      const { raw, framed } = await rawPair(t, place)
      const events = recorded(framed)
      raw.write(stream.subarray(0, at))
      await eventually('the first part', () => framed.socket.bytesRead === at)
      raw.end(stream.subarray(at))
      await eventually('the end', () => events.includes('close'))
      t.deepEqual(events, [...payloads, 'end', 'close'])
      framed.destroy()
    }
  })

  test(`100,000 messages go there and back (${place})`, async t => {
    t.timeout(100_000)
    const { client, server } = await framedPair(t, place)
    server.on('message', message => server.send(message))
    server.on('end', () => server.end())
    const count = 100_000
    const next = generator(11)
    const sizes = Array.from({ length: count }, () => next(next(100) === 0 ? 20_000 : 100))
    const bytes = pattern(21_000)
    let received = 0
    let wrong = 0
    const sending = (async () => {
      for (const size of sizes)
        if (!client.send(bytes.subarray(size % 97, (size % 97) + size))) await once(client, 'drain')
      client.end()
    })()
    for await (const message of client) {
      const size = sizes[received++]!
      if (!message.equals(bytes.subarray(size % 97, (size % 97) + size))) wrong++
    }
    await sending
    t.deepEqual([received, wrong], [count, 0])
  })

  test(`send() is false when the kernel is full, and 'drain' comes when it is not (${place})`, async t => {
    const { client, server } = await framedPair(t, place)
    const message = pattern(1000)
    let sent = 1
    while (client.send(message)) sent++
    t.true(sent >= 60, 'not before the high-water mark')
    await turns(3)
    while (client.send(message) || !client.socket.writableNeedDrain || sent < 1000) sent++
    sent++
    t.true(client.socket.writableLength < 4e6)
    let received = 0
    server.on('message', () => received++)
    await once(client, 'drain')
    await eventually('all arrive', () => received === sent)
    t.true(client.send(message))
  })

  test(`a slow reader of messages makes the sender wait (${place})`, async t => {
    const { client, server } = await framedPair(t, place)
    const message = pattern(10_000)
    let sent = 0
    const stopped = new AbortController()
    const sending = (async () => {
      while (!stopped.signal.aborted && sent < 5000) {
        sent++
        if (!client.send(message)) await once(client, 'drain')
      }
      client.end()
    })()
    let received = 0
    for await (const _ of server) {
      if (++received === 3) {
        await eventually('the sender waits', async () => {
          const before = sent
          await turns(20)
          return sent === before
        })
        t.true(sent < 200, `${sent} messages of 10,000 bytes are under way`)
        t.true(server.socket.bytesRead < 500_000, `${server.socket.bytesRead} bytes have been read`)
        stopped.abort()
      }
    }
    await sending
    t.is(received, sent)
  })

  test(`leaving the loop destroys the socket (${place})`, async t => {
    for (const leave of ['break', 'throw']) {
      const { client, server } = await framedPair(t, place)
      for (let count = 0; count < 10; count++) client.send(`message ${count}`)
      const received: string[] = []
      try {
        for await (const message of server) {
          received.push(String(message))
          if (received.length < 3) continue
          if (leave === 'break') break
          throw new Error(leave)
        }
      } catch (error) {
        t.is((error as Error).message, 'throw')
      }
      t.deepEqual(received, ['message 0', 'message 1', 'message 2'])
      t.true(server.socket.destroyed)
      client.resume()
      await once(client, 'end')
    }
  })
}

test('a peer that sends byte by byte through node:net is understood', async t => {
  const { listener } = await pair(t)
  const net = await netConnect(t, listener.path)
  const framed = new FramedSocket(await listener.accept(), { allowHalfOpen: true })
  t.teardown(() => framed.destroy())
  const events = recorded(framed)
  const stream = Buffer.concat([frame('byte'), frame(''), frame('by byte'), frame(pattern(40))])
  for (const byte of stream) {
    net.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  net.end()
  await eventually('the end', () => events.includes('end'))
  t.deepEqual(events, ['byte', '', 'by byte', String(pattern(40)), 'end'])
  framed.send('answer')
  framed.end()
  const chunks: Buffer[] = []
  for await (const chunk of net) chunks.push(chunk as Buffer)
  t.true(Buffer.concat(chunks).equals(frame('answer')))
})

test('a socket has its peer, also after it was closed', async t => {
  const { client, server } = await pair(t)
  const socket = new FramedSocket(client)
  const { peer } = client
  t.is(peer.uid, process.geteuid!())
  t.deepEqual(socket.peer, peer)
  socket.destroy()
  server.destroy()
  await once(socket, 'close')
  t.deepEqual(socket.peer, peer)
})
