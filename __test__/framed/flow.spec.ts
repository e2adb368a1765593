import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { connect, FramedSocket, type UnixSocket } from '../../index.js'
import { frames, rawPair, recorded } from './helpers.js'
import { eventually, everyPlace, listening, once, pair, places } from '../helpers/sockets.js'
import { argument, leavesNoDescriptors, pattern, turns } from '../helpers/streams.js'
import { start } from '../helpers/program.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException

/** Makes the stream read everything, and the end, before a reader takes it: the end then comes with the last chunk. */
async function buffered(framed: FramedSocket): Promise<void> {
  framed.socket.read(0)
  await eventually('something is there', () => framed.socket.bytesRead > 0)
  await turns(5)
}

for (const place of everyPlace) {
  test(`destroy() in a handler drops the chunk's other messages (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const events = recorded(framed)
    framed.on('message', message => {
      if (String(message) === 'two') framed.destroy(Object.assign(new Error('enough'), { code: 'ENOUGH' }))
    })
    raw.write(frames('one', 'two', 'three', 'four'))
    await eventually('it closes', () => events.includes('close'))
    t.deepEqual(events, ['one', 'two', 'error ENOUGH', 'close'])
  })

  test(`pause() in a handler holds the chunk's other messages and the end until resume() (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const events = recorded(framed)
    framed.on('message', () => framed.pause())
    raw.end(frames('one', 'two', '', 'four'))
    for (const expected of [['one'], ['one', 'two'], ['one', 'two', ''], ['one', 'two', '', 'four']]) {
      await eventually('the next', () => events.length === expected.length)
      await turns(3)
      t.deepEqual(events, expected)
      let inside = true
      framed.prependOnceListener('message', () => t.false(inside))
      framed.resume()
      inside = false
    }
    await eventually('the end', () => events.includes('close'))
    t.deepEqual(events, ['one', 'two', '', 'four', 'end', 'close'])
  })

  test(`messages wait for a first listener, and for the next one after once() (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    raw.end(frames('one', 'two', 'three'))
    await turns(5)
    t.is(String(await once(framed, 'message')), 'one')
    await turns(5)
    t.is(String(await once(framed, 'message')), 'two')
    await turns(5)
    const events = recorded(framed)
    await eventually('the end', () => events.includes('close'))
    t.deepEqual(events, ['three', 'end', 'close'])
  })

  test(`addListener, prependListener and prependOnceListener start reading too (${place})`, async t => {
    for (const method of ['addListener', 'prependListener', 'prependOnceListener'] as const) {
      const { raw, framed } = await rawPair(t, place)
      raw.write(frames(method))
      t.is(String(await new Promise<Buffer>(resolve => framed[method as 'on']('message', resolve))), method)
    }
  })

  test(`resume() without a listener discards messages and reaches the end (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    raw.end(frames('one', 'two'))
    framed.resume()
    await once(framed, 'end')
    t.is(framed.socket.bytesRead, 14)
  })

  test(`iteration takes what came before it, and event listeners what comes after (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    raw.write(frames('one', 'two', 'three'))
    await turns(5)
    const iterator = framed[Symbol.asyncIterator]()
    t.is(String((await iterator.next()).value), 'one')
    const [two, three] = await Promise.all([iterator.next(), iterator.next()])
    t.deepEqual([String(two.value), String(three.value)], ['two', 'three'])
    const events = recorded(framed)
    raw.end(frames('four'))
    await eventually('the end', () => events.includes('end'))
    t.deepEqual(events, ['four', 'end'])
    t.deepEqual(await iterator.next(), { value: undefined, done: true })
  })

  test(`with allowHalfOpen the loop's end leaves the socket open for answers (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place, { allowHalfOpen: true })
    const answered = (async () => {
      const peer = new FramedSocket(raw)
      const answers: string[] = []
      peer.send('one')
      peer.send('two')
      peer.end()
      for await (const answer of peer) answers.push(String(answer))
      return answers
    })()
    for await (const message of framed) framed.send(`got ${message}`)
    framed.send('and that was all')
    framed.end()
    t.deepEqual(await answered, ['got one', 'got two', 'and that was all'])
  })

  test(`a slow loop gets everything also when the socket has closed meanwhile (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const closed: string[] = []
    framed.on('end', () => closed.push('end')).on('close', () => closed.push('close'))
    framed.end()
    raw.end(frames('one', 'two', 'three')).resume()
    await buffered(framed)
    const received: string[] = []
    for await (const message of framed) {
      await eventually('the socket has closed', () => framed.socket.closed)
      t.deepEqual(closed, [])
      received.push(String(message))
    }
    t.deepEqual(received, ['one', 'two', 'three'])
    await eventually('its close comes', () => closed.length === 2)
    t.deepEqual(closed, ['end', 'close'])
  })

  test(`so does a slow listener, with what is wrong in the end (${place})`, async t => {
    const parts: [Buffer, string][] = [
      [frames('end').subarray(0, 5), 'error ERR_FRAME_TRUNCATED'],
      [Buffer.from([255, 0, 0, 0]), 'error ERR_FRAME_TOO_LARGE'],
      [Buffer.alloc(0), 'end'],
    ]
    for (const [last, outcome] of parts) {
      const { raw, framed } = await rawPair(t, place)
      framed.end()
      raw.end(Buffer.concat([frames('one', 'two'), last])).resume()
      await buffered(framed)
      const events = recorded(framed)
      framed.on('message', () => framed.pause())
      await eventually('the socket has closed', () => framed.socket.closed)
      t.deepEqual(events, ['one'])
      framed.resume()
      await eventually('the second', () => events.length >= 2)
      framed.resume()
      await eventually('it closes', () => events.includes('close'))
      t.deepEqual(events, ['one', 'two', outcome, 'close'])
    }
  })

  test(`and destroy() then drops what is held and closes, once (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    framed.end()
    raw.end(frames('one', 'two')).resume()
    await buffered(framed)
    const events = recorded(framed)
    framed.on('message', () => framed.pause())
    await eventually('the socket has closed', () => framed.socket.closed)
    framed.destroy()
    framed.destroy()
    framed.resume()
    await framed[Symbol.asyncDispose]()
    await turns(2)
    t.deepEqual(events, ['one', 'close'])
  })

  test(`the loop throws what goes wrong, without an 'error' listener (${place})`, async t => {
    const run = async (spoil: (raw: UnixSocket, framed: FramedSocket) => void): Promise<string[]> => {
      const { raw, framed } = await rawPair(t, place, { maxMessageLength: 100 })
      const seen: string[] = []
      raw.write(frames('one', 'two'))
      try {
        for await (const message of framed) {
          seen.push(String(message))
          if (seen.length === 2) spoil(raw, framed)
        }
        seen.push('end')
      } catch (error) {
        seen.push((error as Failure).code!)
      }
      await eventually('the socket has closed', () => framed.socket.closed)
      return seen
    }
    t.deepEqual(await run(raw => raw.write(Buffer.from([0, 0, 0, 101]))), [
      'one',
      'two',
      'ERR_FRAME_TOO_LARGE',
    ])
    t.deepEqual(await run(raw => raw.end(Buffer.from([0]))), ['one', 'two', 'ERR_FRAME_TRUNCATED'])
    t.deepEqual(await run((_, framed) => framed.destroy()), ['one', 'two', 'ERR_STREAM_PREMATURE_CLOSE'])
    const reason = Object.assign(new Error('why'), { code: 'WHY' })
    t.deepEqual(await run((_, framed) => framed.destroy(reason)), ['one', 'two', 'WHY'])
    t.deepEqual(await run((_, framed) => framed.socket.destroy()), [
      'one',
      'two',
      'ERR_STREAM_PREMATURE_CLOSE',
    ])
  })

  test(`return() ends an iterator, and calls of next() that wait resolve (${place})`, async t => {
    const { framed } = await rawPair(t, place)
    const [one, other] = [framed[Symbol.asyncIterator](), framed[Symbol.asyncIterator]()]
    const waiting = t.throwsAsync(async () => other.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
    t.deepEqual(await one.return!(), { value: undefined, done: true })
    t.deepEqual(await one.next(), { value: undefined, done: true })
    await waiting
    await t.throwsAsync(async () => other.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  })

  test(`'await using' closes it (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const events = recorded(framed)
    framed.send('last')
    await framed[Symbol.asyncDispose]()
    await framed[Symbol.asyncDispose]()
    t.deepEqual(events, ['close'])
    raw.resume()
    await once(raw, 'end')
    t.is(raw.bytesRead, 8)
  })

  test(`listeners run in the context of the socket (${place})`, async t => {
    const storage = new AsyncLocalStorage<string>()
    const listener = await listening(t, place)
    const socket = await storage.run('connecting', () => connect(listener.path))
    t.teardown(() => socket.destroy())
    const framed = storage.run('framing', () => new FramedSocket(socket))
    const peer = await listener.accept()
    t.teardown(() => peer.destroy())
    const contexts: unknown[] = []
    framed.on('message', () => contexts.push(storage.getStore()))
    framed.on('end', () => contexts.push(storage.getStore()))
    // Bytes that flow already are read in the socket's context, not in that of the call that asked for them.
    await turns(2)
    peer.write(frames('one'))
    await eventually('the first', () => contexts.length === 1)
    peer.end(frames('two', 'three'))
    await eventually('the end', () => contexts.length === 4)
    t.deepEqual(contexts.slice(1), ['connecting', 'connecting', 'connecting'])
    framed.destroy()
  })

  test(`a throwing listener loses no other message (${place})`, async t => {
    t.timeout(60_000)
    const { ended } = start(t, 'framed-throw.js', [argument(places[place](t))])
    const { code, output, errors } = await ended
    t.is(code, 0, errors)
    t.deepEqual(JSON.parse(output), {
      events: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'end', 'close'],
      uncaught: ['0', '2', '4', '6', '8', 'end'],
      contexts: ['socket'],
    })
  })
}

test('what is no socket, no message or no limit is refused', async t => {
  const { client, server } = await pair(t)
  const invalid = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE' }
  for (const value of [undefined, null, {}, 'path', 1]) {
    t.throws(() => new FramedSocket(value as never), { ...invalid, message: /^socket must be a UnixSocket/ })
  }
  t.throws(() => new FramedSocket(client, 'options' as never), invalid)
  t.throws(() => new FramedSocket(client, { maxMessageLength: '1' as never }), invalid)
  for (const maxMessageLength of [-1, 1.5, NaN, Infinity, 2 ** 32])
    t.throws(() => new FramedSocket(client, { maxMessageLength }), { code: 'ERR_OUT_OF_RANGE' })
  t.notThrows(() => new FramedSocket(client, { maxMessageLength: undefined }))
  const framed = new FramedSocket(server)
  for (const value of [undefined, null, 1, {}, ['x'], new ArrayBuffer(3), new DataView(new ArrayBuffer(3))])
    t.throws(() => framed.send(value as never), { ...invalid, message: /^message must be/ })
  t.is(server.writableLength, 0)
})

test('a socket that has ended, or has an encoding, is refused', async t => {
  const { client, server } = await pair(t)
  client.setEncoding('utf8')
  t.throws(() => new FramedSocket(client), { code: 'ERR_INVALID_ARG_VALUE' })
  client.end()
  server.resume()
  await once(server, 'end')
  t.throws(() => new FramedSocket(server), { code: 'ERR_INVALID_ARG_VALUE' })
  client.destroy()
  t.throws(() => new FramedSocket(client), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('an encoding that is set later is an error, not wrong messages', async t => {
  const { raw, framed } = await rawPair(t, 'path')
  const failed = once<Failure>(framed, 'error')
  framed.resume()
  framed.socket.setEncoding('utf8')
  raw.write(frames('one'))
  t.is((await failed).code, 'ERR_INVALID_ARG_VALUE')
})

test('a message handler may answer with many messages, in one turn', async t => {
  const { client, server } = await pair(t)
  const [asking, answering] = [new FramedSocket(client), new FramedSocket(server)]
  answering.on('message', message => {
    for (let count = 0; count < 1000; count++) answering.send(`${message} ${count}`)
    answering.end()
  })
  asking.send('answer')
  const received: string[] = []
  for await (const message of asking) received.push(String(message))
  t.deepEqual(
    received,
    Array.from({ length: 1000 }, (_, count) => `answer ${count}`),
  )
})

test('what was sent leaves also when the process exits at once', async t => {
  const listener = await listening(t)
  const { ended } = start(t, 'framed-exit.js', [argument(listener.path)])
  const framed = new FramedSocket(await listener.accept())
  t.teardown(() => framed.destroy())
  const received: Buffer[] = []
  for await (const message of framed) received.push(message)
  t.deepEqual(received, [Buffer.from('one'), pattern(5000).fill('b'), Buffer.from('three')])
  t.is((await ended).code, 0)
})
